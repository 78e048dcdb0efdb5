"""Tests of agent.derive."""
