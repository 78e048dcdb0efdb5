"""agent.cli."""
