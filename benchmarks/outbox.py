"""outbox_rows_per_second: captured change → durable wanted record, against what pg_recvlogical carries into nothing.

The generator has ended before the clock starts (the source's sender is held meanwhile), the target is paused, so nothing is
applied. Counted are rows of coexist.command: changes of one customer within one batch become one wanted record.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import psycopg

from agent.store.embedded import binaries
from benchmarks.estate import Estate
from benchmarks.figures import Figure
from benchmarks.processes import Impossible
from sandbox.legacy.bulk import Bulk, Verb

_PIPE = "bench_pipe"


def run(estate: Estate, *, quick: bool) -> Iterator[Figure]:
    """Update arm, then insert arm."""
    changes = 20_000 if quick else 100_000
    arms: tuple[Verb, ...] = ("update", "insert")
    for verb in arms:
        yield from _arm(estate, verb, changes)


def _arm(estate: Estate, verb: Verb, changes: int) -> Iterator[Figure]:
    estate.start()
    estate.settle()
    estate.set_paused(True)
    _slot(estate, create=True)
    with estate.ask() as conn:
        before = _commands(conn)
        with estate.sender_held():
            with psycopg.connect(estate.source_dsn, autocommit=True) as source:
                captured = Bulk(source, 7).change(verb, changes // 10, 10).rows
            mark = estate.mark()
            cpu = estate.cpu()
            started = time.monotonic()
        estate.wait_derived(mark)
        seconds = time.monotonic() - started
        spent = {name: value - cpu[name] for name, value in estate.cpu().items()}
        made = _commands(conn) - before
    pipe = captured / _pipe_seconds(estate)
    _slot(estate, create=False)
    yield Figure(f"outbox_rows_per_second.{verb}", made / seconds, "1/s", 10_000, 15_000)
    yield Figure(f"captured_changes_per_second.{verb}", captured / seconds, "1/s")
    ours = captured / seconds
    yield Figure(f"outbox_to_pg_recvlogical.{verb}", ours / pipe, "ratio", sides=(
        Figure("changes, coexist", ours, "1/s"), Figure("changes, pg_recvlogical", pipe, "1/s")))  # fmt: skip
    total = spent["agent"] + spent["source"] + spent["store"]
    yield Figure(f"python_share_of_cpu.{verb}", spent["agent"] / total, "share", sides=(
        Figure("agent", spent["agent"], "CPU s"), Figure("agent, source and store", total, "CPU s"),
        Figure("elapsed", seconds, "s")))  # fmt: skip
    estate.set_paused(False)
    estate.stop()


def _commands(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM coexist.command").fetchone()
    return int(row[0]) if row else 0


def _slot(estate: Estate, *, create: bool) -> None:
    with psycopg.connect(estate.source_dsn, autocommit=True) as conn:
        if create:
            conn.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (_PIPE,))
        else:
            conn.execute("SELECT pg_drop_replication_slot(%s)", (_PIPE,))


def _pipe_seconds(estate: Estate) -> float:
    """The same WAL through pg_recvlogical into nothing."""
    with psycopg.connect(estate.source_dsn) as conn:
        row = conn.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    assert row is not None
    started = time.monotonic()
    done = subprocess.run(
        [str(binaries() / "pg_recvlogical"), "-d", estate.source_dsn, "-S", _PIPE, "--start", "-f", "/dev/null",
         "--no-loop", "-F", "0", "-E", row[0], "-o", "proto_version=1", "-o", "publication_names=coexist"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Impossible(f"pg_recvlogical: {done.stderr[-500:]}")
    return time.monotonic() - started
