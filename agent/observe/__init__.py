"""agent.observe."""
