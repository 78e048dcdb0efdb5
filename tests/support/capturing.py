"""Helpers around a captured PostgreSQL: a consumer that stores nothing but remembers everything, and waits
with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from agent.capture.postgres.capture import PostgresCapture
from agent.model.changes import CaptureBatch, Relation, ResumePoint, RowChange
from agent.model.ids import CommitPos
from agent.ports import Capture

TableNames = tuple[tuple[str, str], ...]


def until(condition: Callable[[], Any], seconds: float = 20.0, what: str = "condition") -> Any:
    """Poll until true; AssertionError after the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in {seconds} s: {what}")


@dataclass
class Seen:
    """What a consumer remembers: transactions by position, in order, rows as (table, op, old, new)."""

    relations: dict[int, Relation] = field(default_factory=dict)
    transactions: dict[int, list[RowChange]] = field(default_factory=dict)
    complete: list[int] = field(default_factory=list)
    captured: int = 0
    end: int = 0
    batches: int = 0
    stands: list[CommitPos] = field(default_factory=list)  # what the store holds after 1, 2, … whole transactions

    def add(self, batch: CaptureBatch) -> None:
        self.relations.update({r.ref: r for r in batch.relations})
        for piece in batch.slices:
            rows = self.transactions.setdefault(piece.commit_pos, [])
            assert piece.first_ordinal == len(rows), "slices must follow one another"
            rows.extend(piece.changes)
            if piece.complete:
                self.complete.append(piece.commit_pos)
            assert all(c.ref in self.relations for c in piece.changes), "a row came before its shape"
        self.captured += batch.captured
        self.end = max(self.end, batch.end_pos)
        self.batches += 1
        self.stands += [CommitPos(self.end)] * (len(self.complete) - len(self.stands))

    def rows(self) -> list[RowChange]:
        return [change for position in self.complete for change in self.transactions[position]]

    def said(self) -> list[tuple[str, str, Any, Any]]:
        """(table, op, old, new) of every change, in order."""
        return [(self.relations[c.ref].table, c.op, c.old, c.new) for c in self.rows()]


def snapshot(capture: Capture) -> tuple[Seen, CommitPos]:
    """Run a snapshot to its end, acknowledge as intake would; with the position that the stream goes on from."""
    seen = Seen()
    for batch in capture.snapshot():
        seen.add(batch)
        assert all(s.snapshot and c.op == "r" for s in batch.slices for c in s.changes)
        if batch.slices and batch.slices[-1].complete:
            capture.acknowledge(batch.end_pos)
    assert len(seen.complete) == 1
    return seen, CommitPos(seen.end)


def stream_until(
    capture: Capture,
    resume: ResumePoint,
    enough: Callable[[Seen], Any],
    *,
    ack: bool = True,
    seconds: float = 30.0,
) -> Seen:
    """Consume until `enough`; a fresh generator each time, closed afterwards."""
    seen = Seen()
    if resume.open_pos is not None:
        seen.transactions[resume.open_pos] = [RowChange(0, "c", None, None)] * resume.open_rows
    end = time.monotonic() + seconds
    batches = capture.stream(resume)
    try:
        for batch in batches:
            seen.add(batch)
            if ack:
                capture.acknowledge(batch.end_pos)
            if enough(seen):
                return seen
            assert time.monotonic() < end, f"not enough after {seconds} s: {seen.complete}"
    finally:
        batches.close()  # type: ignore[attr-defined]
    raise AssertionError("the stream ended by itself")


@dataclass
class Source:
    """A source database under test."""

    dsn: str
    sql: psycopg.Connection
    made: list[PostgresCapture] = field(default_factory=list)

    def capture(self, *tables: str, **options: Any) -> PostgresCapture:
        """A capture of tables in schema public."""
        names: TableNames = tuple(("public", t) for t in tables)
        settings: dict[str, Any] = {
            "publication": "coexist_test",
            "slot": f"slot_{self.sql.info.dbname}",
            "tables": names,
            "create": True,
            "dsn": self.dsn,
            "idle_seconds": 0.2,
            "slot_grace_seconds": 2.0,
        }
        settings |= options
        capture = PostgresCapture(settings.pop("dsn"), **settings)
        self.made.append(capture)
        return capture

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.sql.execute(statement)

    def one(self, query: str, *parameters: Any) -> Any:
        row = self.sql.execute(query, parameters).fetchone()
        return row[0] if row else None

    def slot_active(self) -> bool:
        return bool(
            self.one(
                "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND active"
            )
        )


@contextmanager
def source_at(dsn: str) -> Iterator[Source]:
    """A Source whose captures are closed and whose slots are free at the end."""
    source = Source(dsn, psycopg.connect(dsn, autocommit=True))
    try:
        yield source
    finally:
        for capture in source.made:
            capture.close()
        if not source.sql.broken:
            until(lambda: not source.slot_active(), what="slots released")
        source.sql.close()
