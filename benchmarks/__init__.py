"""Benchmarks of the whole line on one machine: `python -m benchmarks`. How to read them: docs/performance.md."""
