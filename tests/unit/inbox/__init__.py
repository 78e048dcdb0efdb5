"""Tests of agent.inbox."""
