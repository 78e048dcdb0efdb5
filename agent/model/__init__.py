"""Frozen hand-over types, one file per hand-over between stages."""
