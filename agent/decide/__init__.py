"""agent.decide."""
