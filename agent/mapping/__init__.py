"""agent.mapping."""
