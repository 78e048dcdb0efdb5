"""Foreign records in a stream: an open exception beside the rows, once, and nothing else stops."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg

from agent.inbox.intake import Intake
from agent.model.changes import CaptureBatch, Column, Oddity, Relation, RowChange, TransactionSlice
from agent.model.ids import CommitPos

ODD = Oddity("legacy.topic/7", "a record that cannot be read: it is not JSON (5 bytes)")
TABLE = Relation(1, "public", "t", (Column("id", "integer", key=True),))


def batch(position: int, *oddities: Oddity, cursor: str | None = None) -> CaptureBatch:
    """One row in a transaction, and what is odd beside it."""
    rows = [RowChange(1, "c", None, (str(position),))]
    piece = TransactionSlice(CommitPos(position), 1, datetime(2024, 1, 1, tzinfo=UTC), rows)
    return CaptureBatch((TABLE,), (piece,), 1, CommitPos(position + 1), cursor=cursor, oddities=oddities)


def intake_of(store: psycopg.Connection[Any]) -> Intake:
    """Of a source whose snapshot was empty and is done."""
    intake = Intake(store, "legacy")
    intake.begin_snapshot()
    empty = TransactionSlice(CommitPos(1), 0, datetime(2024, 1, 1, tzinfo=UTC), [], snapshot=True)
    intake.append(CaptureBatch((), (empty,), 0, CommitPos(1)))
    return intake


def test_an_odd_record_opens_an_exception_and_the_rows_go_in(store: psycopg.Connection[Any]) -> None:
    intake_of(store).append(batch(10, ODD, cursor="here"))
    rows = store.execute(
        "SELECT stage, subject, code, state::text, message, diagnostics->>'place' FROM coexist.exception"
    ).fetchall()
    assert rows == [("copy", "record:legacy:legacy.topic/7", "foreign_record", "open", ODD.what, ODD.place)]
    assert store.execute("SELECT count(*) FROM coexist.inbox").fetchone() == (1,)
    assert store.execute("SELECT cursor, position FROM coexist.stream").fetchone() == ("here", 11)


def test_the_same_record_met_again_is_the_same_exception(store: psycopg.Connection[Any]) -> None:
    intake = intake_of(store)
    intake.append(batch(10, ODD))
    intake.append(batch(20, ODD, Oddity("legacy.topic/9", "another")))
    subjects = store.execute("SELECT subject FROM coexist.exception WHERE state = 'open' ORDER BY 1").fetchall()
    assert subjects == [("record:legacy:legacy.topic/7",), ("record:legacy:legacy.topic/9",)]
    assert store.execute("SELECT count(*) FROM coexist.inbox").fetchone() == (2,)
