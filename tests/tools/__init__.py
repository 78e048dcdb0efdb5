"""Tools that are run as `python -m tests.tools.…`."""
