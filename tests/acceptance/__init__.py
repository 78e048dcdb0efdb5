"""Acceptance: the whole agent with real processes."""
