"""Tests of agent.mirror."""
