"""Tests of agent.decide."""
