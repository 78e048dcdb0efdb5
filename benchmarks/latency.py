"""commit_to_request_ms: from the source's commit to the arrival of the write at the ERP, at 200 changes a second."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.estate import Estate
from benchmarks.figures import Figure, percentile

_MARK = re.compile(r"Bench-(\d+)-")


def run(estate: Estate, *, quick: bool) -> Iterator[Figure]:
    """Transactions of 10 rows at uniformly random moments, 20 of them a second."""
    seconds = 10 if quick else 60
    estate.start()
    estate.settle()
    before = estate.arrivals()
    generator = [sys.executable, "-m", "benchmarks.generator", "--rate", "20", "--rows", "10", "--seconds", str(seconds)]
    done = subprocess.run(
        generator, env=estate.environment, check=True, capture_output=True, text=True
    )  # fmt: skip
    commits = {int(n): float(at) for n, at in (line.split() for line in done.stdout.splitlines())}
    estate.wait_derived(estate.mark())
    estate.wait_applied()
    waited = list(_waited(estate, before, commits))
    estate.stop()
    yield Figure("commit_to_request_ms.p50", percentile(waited, 0.50), "ms", 25, 10, less=True)
    yield Figure("commit_to_request_ms.p99", percentile(waited, 0.99), "ms", 100, 30, less=True)
    yield Figure("commit_to_request_ms.max", max(waited), "ms")
    yield Figure("commit_to_request.changes_seen", len(waited) / (10 * len(commits)), "share")


def _waited(estate: Estate, before: int, commits: dict[int, float]) -> Iterator[float]:
    with estate.erp_record() as record:
        query = "SELECT at, body FROM arrival WHERE id > ? AND accepted = 1"
        for at, body in record.execute(query, (before,)):
            found = _MARK.search(body or "")
            if found:
                yield (at - commits[int(found[1])]) * 1000
