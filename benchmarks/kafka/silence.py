"""From the kill of the only Connect worker, started again at once, to the next record: our settings and the defaults."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import psycopg

from benchmarks.figures import Figure
from benchmarks.kafka.estate import KafkaEstate
from benchmarks.processes import wait_until

# What an installation has that nobody told anything: Kafka's own defaults for what we set otherwise.
DEFAULT_BROKER = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 10_000}
DEFAULT_WORKER = {
    "producer.transaction.timeout.ms": 60_000, "session.timeout.ms": 10_000, "heartbeat.interval.ms": 3_000,
    "scheduled.rebalance.max.delay.ms": 300_000,
}  # fmt: skip
DEFAULT_CONNECTOR = {"producer.override.transaction.timeout.ms": "60000"}
_CAPTURED = "SELECT coalesce(sum(captured), 0)::bigint FROM coexist.stream"


def seconds(estate: KafkaEstate, kills: int) -> list[float]:
    """Each kill's, under 100 transactions a second."""
    found = []
    with psycopg.connect(estate.source_dsn, autocommit=True) as source, estate.ask() as store:
        key = _one(source, "SELECT min(cust_no) FROM fin.arcust")

        def change() -> int:
            source.execute("UPDATE fin.arcust SET upd_ts = localtimestamp WHERE cust_no = %s", (key,))
            time.sleep(0.01)
            return int(_one(store, _CAPTURED))

        def moved_from(before: int) -> bool:
            return change() > before

        for _ in range(kills):
            first = change()
            wait_until("changes are captured", lambda first=first: moved_from(first), 60, every=0)
            for _ in range(200):
                change()
            estate.worker.kill()
            began = time.monotonic()
            while time.monotonic() - began < 0.5:
                before = change()  # what was on its way arrives
            estate.worker.launch()
            wait_until("something new is captured", lambda before=before: moved_from(before), 300, every=0)
            found.append(time.monotonic() - began)
            estate.worker.wait_ready()
    return found


def figures(ours: list[float], default: list[float]) -> Iterator[Figure]:
    """Medians, the longest beside."""
    yield Figure("kafka.killed_worker_silence_s", median(ours), "s", sides=(
        Figure("longest, our settings", max(ours), "s"), Figure("median, default settings", median(default), "s"),
        Figure("longest, default settings", max(default), "s")))  # fmt: skip


def _one(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row else 0
