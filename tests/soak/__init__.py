"""Long random runs: `python -m tests.soak <what> [--seed N]`."""
