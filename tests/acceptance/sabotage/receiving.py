"""Guards between the source and the wanted record, each removed by one function. Nothing here is ever shipped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import psycopg

from agent.capture.postgres.capture import PostgresCapture
from agent.capture.postgres.checks import Checks
from agent.daemon.capture_loop import CaptureLoop
from agent.derive import deriver
from agent.inbox import intake
from agent.inbox.intake import Intake, StreamState
from agent.model.changes import CaptureBatch, ResumePoint
from agent.model.ids import CommitPos
from tests.acceptance.sabotage import instead
from tests.support.processes import wait_until

# What makes the damage certain is waited for; without it a case would be one of chance.
_PATIENCE = 10.0


@cache
def _aside() -> psycopg.Connection[Any]:
    """A second connection to the store, whose commits are its own."""
    return psycopg.connect(os.environ["ESTATE_STORE"], autocommit=True)


def _ask(dsn: str, question: str) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute(question.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _without_lock(module: Any, name: str) -> None:
    statements = dict(module._SQL)
    statements[name] = statements[name].replace(
        _like(statements[name], "FOR UPDATE"), _like(statements[name], "")
    )
    instead(module, "_SQL", statements)


def _like(example: str | bytes, text: str) -> Any:
    return text.encode() if isinstance(example, bytes) else text


def acknowledged_before_the_commit() -> None:
    """The source is told that a batch is durable before it is, and has heard it before anything else happens."""

    def heard(capture: Any, position: int) -> bool:
        question = f"SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = '{capture._slot}'"
        return _ask(capture._dsn, question) > position

    def follow(self: CaptureLoop, stream: Intake, capture: Any) -> None:
        for batch in capture.stream(stream.state.resume()):
            if batch.slices:
                capture.acknowledge(batch.end_pos)
                capture._stream._send_status()
                end = int(batch.end_pos)
                wait_until("the slot has moved", partial(heard, capture, end), _PATIENCE, every=0.005)
            capture.acknowledge(CommitPos(self._append(stream, batch)))
            if self._stop.is_set():
                return

    instead(CaptureLoop, "_follow", follow)


def acknowledged_early_and_unchecked() -> None:
    """The same, and nobody compares the slot with the store when the stream goes on."""
    acknowledged_before_the_commit()
    fits = Checks.slot_fits

    def unchecked(self: Checks, resume: ResumePoint, grace_seconds: float = 0.0) -> None:
        fits(self, ResumePoint(None), grace_seconds)

    instead(Checks, "slot_fits", unchecked)


def intake_position_first() -> None:
    """The stream's position is committed by itself, before the rows it stands for."""
    _intake_position_aside(later=False)


def intake_position_later() -> None:
    """The rows are committed by themselves, before the stream's position."""
    _intake_position_aside(later=True)


def _intake_position_aside(*, later: bool) -> None:
    _without_lock(intake, "lock_stream")
    append, advance = Intake.append, Intake._advance
    pending: list[tuple[StreamState, int]] = []

    def aside(self: Intake, state: StreamState, captured: int) -> None:
        own, self._conn = self._conn, _aside()
        try:
            advance(self, state, captured)
        finally:
            self._conn = own

    def put_off(self: Intake, state: StreamState, captured: int) -> None:
        pending.append((state, captured))
        self.state = state

    def append_then_advance(self: Intake, batch: CaptureBatch) -> int:
        done = append(self, batch)
        while pending:
            aside(self, *pending.pop())
        return done

    instead(Intake, "_advance", put_off if later else aside)
    if later:
        instead(Intake, "append", append_then_advance)
        begin = Intake.begin_snapshot

        def begin_then_advance(self: Intake) -> None:
            begin(self)
            while pending:
                aside(self, *pending.pop())

        instead(Intake, "begin_snapshot", begin_then_advance)


def snapshot_resumed() -> None:
    """An interrupted snapshot goes on where it was cut, in a new snapshot that shows another moment."""
    begin, place = Intake.begin_snapshot, Intake._place

    def begin_unless_running(self: Intake) -> None:
        if self.state.snapshot_state != "running":
            begin(self)

    def place_on(self: Intake, state: StreamState, piece: Any, pending: Any) -> StreamState:
        if piece.snapshot and state.open_pos is not None:
            state = replace(state, open_pos=int(piece.commit_pos))
        return place(self, state, piece, pending)

    instead(Intake, "begin_snapshot", begin_unless_running)
    instead(Intake, "_place", place_on)


def resumed_at_the_present() -> None:
    """The stream goes on where the server is now, not where the store stands."""
    stream = PostgresCapture.stream

    def from_now(self: PostgresCapture, resume: ResumePoint) -> Iterator[CaptureBatch]:
        now = _ask(self._dsn, "SELECT pg_current_wal_insert_lsn() - '0/0'")
        return stream(self, ResumePoint(CommitPos(now)))

    instead(PostgresCapture, "stream", from_now)


def reconnected_at_the_present() -> None:
    """The same when a connection was lost: the first stream of an agent begins where it should."""
    stream = PostgresCapture.stream
    resumed_at_the_present()
    from_now = PostgresCapture.stream

    def late(self: PostgresCapture, resume: ResumePoint) -> Iterator[CaptureBatch]:
        if _first_of_this_agent():
            return stream(self, resume)
        # Users are at work: what they commit meanwhile is what is lost.
        counter = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        wanted = _ask(self._dsn, counter) + 10
        wait_until("users went on", lambda: _ask(self._dsn, counter) >= wanted, _PATIENCE, every=0.005)
        return from_now(self, resume)

    instead(PostgresCapture, "stream", late)


def _first_of_this_agent() -> bool:
    """Each stream is begun by a process of its own, so what was begun before stands in the store."""
    _aside().execute("CREATE TABLE IF NOT EXISTS sabotaged (agent integer)")
    _aside().execute("INSERT INTO sabotaged VALUES (%s)", (os.getppid(),))
    found = _aside().execute("SELECT count(*) FROM sabotaged WHERE agent = %s", (os.getppid(),)).fetchone()
    return found == (1,)


def huge_transaction_taken_for_whole() -> None:
    """What is durable of an unfinished transaction is taken for all of it."""

    def resume(self: StreamState) -> ResumePoint:
        position = self.open_pos or self.position
        if self.snapshot_state != "done" or position is None:
            return ResumePoint(None)
        return ResumePoint(CommitPos(position))

    instead(StreamState, "resume", resume)


def derive_position_first() -> None:
    """The deriver's position is committed by itself, before its work."""
    _derive_position_aside(later=False)


def derive_position_later() -> None:
    """The deriver's work is committed by itself, before its position."""
    _derive_position_aside(later=True)


def _derive_position_aside(*, later: bool) -> None:
    _without_lock(deriver, "lock_position")
    pending: list[Any] = []

    class Aside:
        """The deriver's connection, except for the one statement that moves its position."""

        def __init__(self, conn: Any) -> None:
            self.__dict__["conn"] = conn

        def __getattr__(self, name: str) -> Any:
            return getattr(self.conn, name)

        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            if query != deriver._SQL["advance"]:
                return self.conn.execute(query, params, **more)
            if later:
                pending.append(params)
                return None
            return _aside().execute(query, params)

    init = deriver.Deriver.__init__

    def wrapped(self: deriver.Deriver, conn: Any, *args: Any, **more: Any) -> None:
        aside: Any = Aside(conn)
        init(self, aside, *args, **more)
        on_commit = self._on_commit

        def committed() -> None:
            while pending:
                _aside().execute(deriver._SQL["advance"], pending.pop())
            on_commit()

        self._on_commit = committed

    instead(deriver.Deriver, "__init__", wrapped)


GUARDS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        acknowledged_before_the_commit, acknowledged_early_and_unchecked, intake_position_first, intake_position_later,
        snapshot_resumed, resumed_at_the_present, reconnected_at_the_present, huge_transaction_taken_for_whole,
        derive_position_first, derive_position_later,
    )
}  # fmt: skip
