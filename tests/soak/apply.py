"""The model test of apply with many examples: `python -m tests.soak apply [EXAMPLES]`."""

from __future__ import annotations

import os
import subprocess
import sys

EXAMPLES = "3000"


def main(arguments: list[str]) -> int:
    """Run the stateful model test with so many examples."""
    examples = arguments[0] if arguments else EXAMPLES
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout", "0", "tests/flow/apply/test_model.py"],
        env={**os.environ, "COEXIST_MODEL_EXAMPLES": examples}, check=False,
    ).returncode  # fmt: skip
