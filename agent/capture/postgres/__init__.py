"""agent.capture.postgres."""
