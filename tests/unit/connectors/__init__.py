"""Connectors without a worker: decisions, states, answers."""
