"""Tests of canonical."""
