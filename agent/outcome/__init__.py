"""agent.outcome."""
