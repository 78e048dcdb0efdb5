"""agent.inbox."""
