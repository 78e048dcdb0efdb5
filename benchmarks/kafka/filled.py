"""From a filled topic to wanted records, one replica; the same changes through the direct capture beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from benchmarks.estate import Estate
from benchmarks.figures import Figure
from sandbox.legacy.bulk import Bulk


def changes_per_second(estate: Estate, changes: int) -> float:
    """Row changes a second from where they wait (topic, or log) to wanted records; the target is paused."""
    estate.settle()
    estate.set_paused(True)
    with estate.sender_held():
        with psycopg.connect(estate.source_dsn, autocommit=True) as source:
            captured = Bulk(source, 7).change("update", changes // 10, 10).rows
        mark = estate.mark()
    started = time.monotonic()
    estate.wait_derived(mark)
    seconds = time.monotonic() - started
    estate.set_paused(False)
    return captured / seconds


def figures(kafka: float, direct: float) -> Iterator[Figure]:
    """Rate, and ratio to the direct capture."""
    yield Figure("kafka.changes_per_second", kafka, "1/s")
    yield Figure("kafka.to_direct", kafka / direct, "ratio", 0.8, sides=(
        Figure("changes, through Kafka", kafka, "1/s"), Figure("changes, direct", direct, "1/s")))  # fmt: skip
