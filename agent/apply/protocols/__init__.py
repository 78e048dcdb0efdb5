"""agent.apply.protocols."""
