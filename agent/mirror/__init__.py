"""agent.mirror."""
