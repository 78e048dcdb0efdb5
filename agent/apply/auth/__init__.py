"""agent.apply.auth."""
