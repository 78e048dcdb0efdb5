"""From raw messages to batches, over a scripted socket: nothing lost, nothing doubled, wherever the store stands."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.capture.postgres import pgoutput
from agent.capture.postgres.assemble import Assembler
from agent.capture.postgres.replication import ReplicationStream
from agent.capture.postgres.wire import Interrupt
from agent.errors import SourceError
from agent.model.changes import CaptureBatch, Column, Relation, ResumePoint, RowChange
from agent.model.ids import CommitPos
from tests.support import pgoutput_bytes as raw


@dataclass
class Txn:
    """A source transaction: what it sends, and what should come out."""

    position: int
    messages: list[bytes] = field(default_factory=list)
    rows: list[RowChange] = field(default_factory=list)


@st.composite
def histories(draw: st.DrawFn) -> list[Txn]:
    """Transactions whose rows name, in their text, the version of the table's shape they were written under."""
    txns: list[Txn] = []
    versions = dict.fromkeys((1, 2), 0)
    told: dict[int, int] = {}
    position = 100
    for _ in range(draw(st.integers(1, 6))):
        position += draw(st.integers(1, 3)) * 8
        txn = Txn(position)
        for _ in range(draw(st.integers(0, 6))):
            ref = draw(st.sampled_from((1, 2)))
            if draw(st.integers(0, 5)) == 0:
                versions[ref] += 1
            if told.get(ref) != versions[ref] or draw(st.integers(0, 9)) == 0:
                told[ref] = versions[ref]
                txn.messages.append(raw.relation(ref, "s", "t", [(f"v{versions[ref]}", 23, -1, True)]))
            _row(draw, txn, ref, versions[ref])
        txns.append(txn)
    return txns


def _row(draw: st.DrawFn, txn: Txn, ref: int, version: int) -> None:
    value = (f"v{version}",)
    kind = draw(st.sampled_from("cudt"))
    if kind == "t":
        txn.messages.append(raw.truncate([ref]))
        txn.rows.append(RowChange(ref, "t", None, None))
    elif kind == "d":
        txn.messages.append(raw.delete(ref, value))
        txn.rows.append(RowChange(ref, "d", value, None))
    else:
        txn.messages.append((raw.insert if kind == "c" else raw.update)(ref, value))
        txn.rows.append(RowChange(ref, cast(Any, kind), None, value))


class ScriptedSocket:
    """Stands for the pq connection: gives messages, and now and then nothing; then tells the reader to stop."""

    def __init__(self, script: list[bytes | None], interrupt: Interrupt) -> None:
        self._script, self._interrupt = list(script), interrupt
        self.socket, write = os.pipe()
        os.write(write, b"!")  # always readable
        self._fds = (self.socket, write)
        self.sent: list[bytes] = []

    def get_copy_data(self, _async: int) -> tuple[int, bytes]:
        if not self._script or self._script[0] is None:
            return 0, b""
        data = self._script.pop(0)
        assert data is not None
        return len(data), data

    def consume_input(self) -> None:
        if self._script:
            if self._script[0] is None:
                self._script.pop(0)
        else:
            self._interrupt.tell()

    def put_copy_data(self, data: bytes) -> None:
        self.sent.append(data)

    def flush(self) -> None: ...

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


def envelope(message: bytes) -> bytes:
    return b"w" + bytes(24) + message


def keepalive(wal_end: int, *, reply: bool = False) -> bytes:
    return b"k" + struct.pack(">QqB", wal_end, 0, reply)


def describe(message: pgoutput.WireRelation) -> Relation:
    columns = tuple(Column(c.name, "integer", c.key) for c in message.columns)
    return Relation(message.oid, message.schema, message.table, columns)


def read(script: list[bytes | None], resume: ResumePoint, *, max_rows: int = 100) -> list[CaptureBatch]:
    """Every batch that comes of a script."""
    interrupt = Interrupt()
    socket = ScriptedSocket(script, interrupt)
    stream = ReplicationStream(
        cast(psycopg.Connection, SimpleNamespace(pgconn=socket)),
        "postgresql:///x",
        resume,
        Assembler(resume, describe),
        interrupt,
        max_rows=max_rows,
        idle_seconds=1000,
    )
    batches = []
    try:
        while (batch := stream.next_batch()) is not None:
            batches.append(batch)
    finally:
        socket.close()
    return batches


def script_of(draw: st.DrawFn, txns: list[Txn]) -> list[bytes | None]:
    script: list[bytes | None] = []
    for txn in txns:
        body = [raw.begin(txn.position), *txn.messages, raw.commit(txn.position)]
        for message in body:
            script.append(envelope(message))
            if draw(st.integers(0, 3)) == 0:
                script.append(None)
        if draw(st.integers(0, 3)) == 0:
            script.append(keepalive(txn.position + 8))
    return script


@settings(max_examples=300, deadline=None)
@given(st.data(), histories())
def test_wherever_the_store_stands_exactly_the_rest_comes_once_and_in_its_shape(
    data: st.DataObject, txns: list[Txn]
) -> None:
    done = data.draw(st.integers(0, len(txns)), label="transactions durable")
    open_rows = 0
    if done < len(txns):
        open_rows = data.draw(st.integers(0, len(txns[done].rows)), label="rows of the next one durable")
    resume = ResumePoint(
        CommitPos(txns[done - 1].position if done else 99),
        CommitPos(txns[done].position) if open_rows else None,
        open_rows,
    )
    script = data.draw(st.composite(script_of)(txns), label="script")
    batches = read(script, resume, max_rows=data.draw(st.integers(1, 7), label="batch rows"))

    handed: dict[int, list[RowChange]] = (
        {txns[done].position: txns[done].rows[:open_rows]} if open_rows else {}
    )
    completed: list[int] = []
    shape: dict[int, str] = {}
    for batch in batches:
        shape.update({r.ref: r.columns[0].name for r in batch.relations})
        assert batch.captured == sum(len(s.changes) for s in batch.slices)
        for piece in batch.slices:
            rows = handed.setdefault(piece.commit_pos, [])
            assert piece.first_ordinal == len(rows)
            rows.extend(piece.changes)
            for change in piece.changes:
                label = change.new or change.old
                assert label is None or label[0] == shape[change.ref]
            if piece.complete:
                completed.append(piece.commit_pos)
        assert batch.end_pos == max([resume.position or 0, *completed])
    expected = {t.position: t.rows for t in txns[done:] if t.rows}
    assert handed == expected
    assert completed == list(expected)


def test_an_unfinished_transaction_below_the_batch_size_waits_for_its_commit() -> None:
    begun = [envelope(m) for m in (raw.begin(100), raw.relation(1, "s", "t", []), raw.insert(1, ("v",)))]
    assert read([*begun], ResumePoint(CommitPos(9))) == []


def test_a_server_that_asks_for_a_reply_gets_its_end_of_wal_stored_at_once() -> None:
    (batch,) = read([keepalive(500, reply=True)], ResumePoint(CommitPos(9)))
    assert (batch.slices, batch.end_pos) == ((), 499)


def test_a_keepalive_inside_a_transaction_moves_nothing() -> None:
    script = [envelope(raw.begin(600)), keepalive(500, reply=True)]
    assert read([*script], ResumePoint(CommitPos(9))) == []


def test_a_batch_is_bounded_in_bytes_too() -> None:
    row = envelope(raw.insert(1, ("x" * 5_000_000,)))
    script = [envelope(raw.begin(100)), *[row] * 10, envelope(raw.commit(100))]
    sizes = [b.captured for b in read([*script], ResumePoint(CommitPos(9)))]
    assert sizes == [4, 4, 2]


def test_rows_lost_by_the_decoder_are_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Assembler.feed
    lost = iter([True])

    def forgetful(self: Assembler, data: bytes, start: int = 0) -> None:
        if data[start : start + 1] == b"I" and next(lost, False):
            return
        feed(self, data, start)

    monkeypatch.setattr(Assembler, "feed", forgetful)
    messages = [raw.begin(100), raw.insert(1, ("1",)), raw.insert(1, ("2",)), raw.commit(100)]
    (batch,) = read([envelope(m) for m in messages], ResumePoint(CommitPos(9)))
    assert (batch.captured, len(batch.slices[0].changes)) == (2, 1)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([envelope(raw.begin(208))], id="another transaction comes first"),
        pytest.param([keepalive(300)], id="the server is past it"),
        pytest.param(
            [envelope(m) for m in (raw.begin(200), raw.insert(1, ("1",)), raw.commit(200))],
            id="it is shorter",
        ),
    ],
)
def test_a_half_stored_transaction_that_does_not_continue_is_refused(script: list[bytes | None]) -> None:
    with pytest.raises(SourceError, match="does not continue"):
        read(script, ResumePoint(CommitPos(100), CommitPos(200), 5))


def test_a_message_that_cannot_be_decoded_stops_the_capture() -> None:
    with pytest.raises(SourceError, match="pgoutput"):
        read([envelope(raw.begin(208)), envelope(b"I\0\0")], ResumePoint(CommitPos(100)))
