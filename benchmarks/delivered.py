"""delivered_records_per_second: source commit → accepted by the ERP, the generator ended before the clock starts.

And the same with an ERP that takes 20 ms for every answer, one record a request and in batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.estate import Estate
from benchmarks.figures import Figure
from sandbox.legacy.bulk import Bulk


@dataclass(frozen=True)
class Delivery:
    """One run: changes committed, writes accepted, and the time from release to the last of them."""

    changes: int
    accepted: int
    seconds: float
    cpu: dict[str, float]


def run(estate: Estate, *, quick: bool) -> Iterator[Figure]:
    """The plain run."""
    got = deliver(estate, 20_000 if quick else 100_000)
    yield Figure("delivered_records_per_second", got.accepted / got.seconds, "1/s", 5_000, 10_000)
    yield Figure("delivered_changes_per_second", got.changes / got.seconds, "1/s")
    yield Figure("calls_per_1000_changes", 1000 * got.accepted / got.changes, "calls")
    for name, seconds in got.cpu.items():
        yield Figure(f"delivered_cpu.{name}", seconds / got.changes * 1e6, "µs/change")


def run_slow(estate: Estate, *, quick: bool) -> Iterator[Figure]:
    """20 ms per answer."""
    estate.erp_setting(latency_ms=20)
    try:
        one = deliver(estate, 2_000 if quick else 8_000, {"batch": 1, "concurrency": 32})
        yield Figure("slow_api_single", one.accepted / one.seconds, "1/s", 500)
        many = deliver(estate, 20_000 if quick else 60_000, {"batch": 200, "concurrency": 8})
        yield Figure("slow_api_batch", many.accepted / many.seconds, "1/s", 5_000)
    finally:
        estate.erp_setting(latency_ms=0)


def deliver(estate: Estate, changes: int, limits: Mapping[str, Any] | None = None) -> Delivery:
    """Commit `changes` while the sender is held, release it, wait for the last accepted write."""
    estate.start(limits=limits)
    estate.settle()
    before = estate.arrivals()
    with estate.sender_held():
        with psycopg.connect(estate.source_dsn, autocommit=True) as source:
            captured = Bulk(source, 9).change("update", changes // 10, 10).rows
        mark = estate.mark()
        cpu = estate.cpu()
        wall, started = time.time(), time.monotonic()
    estate.wait_derived(mark, every=0.05)
    estate.wait_applied()
    took = time.monotonic() - started
    spent = {name: value - cpu[name] for name, value in estate.cpu().items()}
    accepted = estate.accepted_since(before)
    # The sandbox notes a request's arrival; its answer is not earlier than what we waited for.
    seconds = min(took, max(accepted) - wall + 0.05) if accepted else took
    estate.stop()
    return Delivery(captured, len(accepted), seconds, spent)
