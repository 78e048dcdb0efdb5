"""Intake, merge and derive over a real source's log: the cases that random transactions rarely meet."""
