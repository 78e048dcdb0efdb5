"""The legacy database and its generator, on a real PostgreSQL."""
