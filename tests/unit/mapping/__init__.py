"""mapping tests."""
