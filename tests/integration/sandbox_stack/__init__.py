"""Tests of the native stack, with the real servers."""
