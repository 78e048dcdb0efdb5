"""Many kills at every named point: `python -m tests.soak kills [SEEDS]`; tests/acceptance/soak_kills.py says what else."""

from __future__ import annotations

import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Run the soak of kills; its exit status is the number of points that failed."""
    return subprocess.run([sys.executable, "-m", "tests.acceptance.soak_kills", *arguments], check=False).returncode
