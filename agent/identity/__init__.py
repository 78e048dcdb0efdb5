"""agent.identity."""
