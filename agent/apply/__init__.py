"""agent.apply."""
