"""Tests of what replicas share through the store."""
