"""agent.apply.pacing."""
