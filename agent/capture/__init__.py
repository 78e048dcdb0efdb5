"""agent.capture."""
