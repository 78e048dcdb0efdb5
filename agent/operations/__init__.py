"""agent.operations."""
