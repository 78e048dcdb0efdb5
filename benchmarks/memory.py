"""agent_rss_mb: the most memory the agent ever held, through a snapshot of 1,000,000 rows and a transaction of 500,000."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from benchmarks.estate import Estate
from benchmarks.figures import Figure
from benchmarks.processes import peak_rss_mb, tree
from sandbox.legacy.bulk import huge


def run(estate: Estate, *, quick: bool) -> Iterator[Figure]:
    """On an estate that no agent has seen yet."""
    agent = estate.start()
    started = time.monotonic()
    estate.wait_derived(estate.mark(), 1800, every=0.2)
    snapshot, seconds = _held(agent.pid), time.monotonic() - started
    yield Figure("snapshot_rows_per_second", estate.rows / seconds, "1/s")
    with psycopg.connect(estate.source_dsn, autocommit=True) as conn:
        rows = huge(conn, 50_000 if quick else 500_000)
    estate.wait_derived(estate.mark(), 1800, every=0.2)
    whole = _held(estate.running().pid)
    yield Figure("agent_rss_mb", whole, "MB", 250, less=True, sides=(
        Figure(f"after the snapshot of {estate.rows:,} rows", snapshot, "MB"),
        Figure(f"after the transaction of {rows:,} rows", whole, "MB")))  # fmt: skip


def _held(agent: int) -> float:
    """Each of the agent's processes at its own worst moment, in MB: more than they ever held at once."""
    return sum(peak_rss_mb(pid) for pid in tree(agent))
