"""agent.outbox."""
