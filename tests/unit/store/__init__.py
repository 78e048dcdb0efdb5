"""Tests of the store's small parts."""
