"""Identity: deterministic entity ids that survive key changes."""
