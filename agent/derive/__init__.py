"""agent.derive."""
