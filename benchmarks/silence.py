"""silence_after_kill_s: the longest gap between accepted writes when the agent is killed and started again under load."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

from benchmarks.estate import Estate
from benchmarks.figures import Figure


def run(estate: Estate, *, quick: bool) -> Iterator[Figure]:
    """300 commits of one row a second; SIGKILL in the middle of it, and a new agent at once.

    Gaps count while there are commits.
    """
    kills = 1 if quick else 3
    seconds = 10 + 8 * kills
    estate.start()
    estate.settle()
    before = estate.arrivals()
    generator = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.generator", "--rate", "300", "--rows", "1", "--seconds", str(seconds)],
        env=estate.environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(kills):
            time.sleep(8)
            estate.running().kill()
            estate.start()
    finally:
        generator.wait(seconds + 60)
    ended = time.time()
    estate.wait_derived(estate.mark())
    estate.wait_applied()
    at = estate.accepted_since(before)
    estate.stop()
    # After the last commit only what was under way at a kill is left, which waits until it is known what came of it.
    gap = max(min(b, ended) - a for a, b in pairwise(at) if a < ended)
    whole = max(b - a for a, b in pairwise(at))
    yield Figure("silence_after_kill_s", gap, "s", 5, less=True, sides=(Figure("to the last write", whole, "s"),))
