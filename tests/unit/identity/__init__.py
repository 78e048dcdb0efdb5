"""Tests of agent.identity."""
