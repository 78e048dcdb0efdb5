"""The capture port over recorded Debezium envelopes: what the Kafka capture will do, without Kafka.

Positions are topic offsets: a transaction's position is the offset of its BEGIN marker (known before its rows, and
monotonic on one ordered topic, which the LSN of a Debezium event is not). A key change (delete, tombstone, create)
becomes one update with its old key, counted once; the END marker's event_count counts both halves and no truncate.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import orjson

from agent.errors import SourceError
from agent.model.changes import (
    UNCHANGED,
    CaptureBatch,
    Column,
    Relation,
    ResumePoint,
    RowChange,
    SourceIdentity,
    TransactionSlice,
    Value,
)
from agent.model.ids import CommitPos
from tests.support.debezium_recording import UNAVAILABLE, Message

_PLACEHOLDERS = (UNAVAILABLE, [UNAVAILABLE], list(UNAVAILABLE.encode()))


@dataclass
class Topic:
    """An append-only topic that grows while it is read."""

    messages: list[Message] = field(default_factory=list)
    grown: threading.Condition = field(default_factory=threading.Condition)

    def publish(self, messages: Sequence[Message]) -> None:
        with self.grown:
            self.messages.extend(messages)
            self.grown.notify_all()


class DebeziumCapture:
    """Implements agent.ports.Capture over a Topic."""

    def __init__(
        self,
        topic: Topic,
        relations: tuple[Relation, ...],
        *,
        max_slice_rows: int = 8192,
        idle_seconds: float = 0.2,
    ) -> None:
        self._topic, self._relations = topic, relations
        self._by_name = {(r.schema, r.table): r for r in relations}
        self._max_rows, self._idle = max_slice_rows, idle_seconds
        self._told = threading.Event()
        self.acknowledged = CommitPos(0)

    def check(self, resume: ResumePoint) -> SourceIdentity:
        end = len(self._topic.messages)
        if resume.position is not None and resume.position > end:
            raise SourceError("the topic ends before the stored offset", remedy="find out who recreated it")
        return SourceIdentity("legacy", 1, CommitPos(end))

    def relations(self) -> tuple[Relation, ...]:
        return self._relations

    def snapshot(self) -> Iterator[CaptureBatch]:
        offsets = [o for o, m in enumerate(self._topic.messages) if _snapshotted(m)]
        position = CommitPos(offsets[-1])
        rows = [self._change(_value(self._topic.messages[o]) or {}) for o in offsets]
        for first in range(0, len(rows) + 1, self._max_rows):
            piece = rows[first : first + self._max_rows]
            complete = first + self._max_rows > len(rows)
            taken = TransactionSlice(position, 0, _at(0), piece, first, complete, snapshot=True)
            relations = self._relations if first == 0 else ()
            yield CaptureBatch(relations, (taken,), len(piece), position if complete else CommitPos(0))

    def stream(self, resume: ResumePoint) -> Iterator[CaptureBatch]:
        state = _Assembly(self, resume)
        offset, told = 0, self._relations
        while not self._told.is_set():
            while offset < len(self._topic.messages) and not state.full(self._max_rows):
                state.read(offset, self._topic.messages[offset])
                offset += 1
            batch = state.take(told, partial=state.full(self._max_rows))
            if batch is not None:
                told = ()
                yield batch
                continue
            with self._topic.grown:
                arrived = self._topic.grown.wait_for(partial(self._news, offset), self._idle)
            if not arrived:
                yield CaptureBatch((), (), 0, state.position)

    def _news(self, offset: int) -> bool:
        return len(self._topic.messages) > offset or self._told.is_set()

    def acknowledge(self, position: CommitPos) -> None:
        self.acknowledged = max(self.acknowledged, position)

    def interrupt(self) -> None:
        self._told.set()
        with self._topic.grown:
            self._topic.grown.notify_all()

    def close(self) -> None:
        self.interrupt()

    def _change(self, value: dict[str, Any], old_key: dict[str, Any] | None = None) -> RowChange:
        relation = self._by_name[(value["source"]["schema"], value["source"]["table"])]
        old = _texts(relation, value.get("before") if old_key is None else old_key)
        new = _texts(relation, value.get("after"))
        return RowChange(relation.ref, "u" if old_key else value["op"], old, new)


class _Assembly:
    """Messages → slices, with what the store has already left out."""

    def __init__(self, capture: DebeziumCapture, resume: ResumePoint) -> None:
        self._capture, self._resume = capture, resume
        self.position = CommitPos(resume.position or 0)
        self._done: list[TransactionSlice] = []
        self._rows: list[RowChange] = []
        self._begin = self._first = self._skip = self._counted = self._whole = self._events = (
            self._changes
        ) = 0
        self._old_key: dict[str, Any] | None = None

    def full(self, rows: int) -> bool:
        return self._whole + self._counted >= rows

    def read(self, offset: int, message: Message) -> None:
        value = _value(message)
        if value is None or _snapshotted(message) or value.get("op") == "m":
            return
        if value.get("status") == "BEGIN":
            self._begin, self._first, self._events, self._changes = offset, 0, 0, 0
            again = self._resume.open_rows if offset == self._resume.open_pos else 0
            self._first = self._skip = again
        elif value.get("status") == "END":
            self._end(value)
        elif self._begin > (self._resume.position or -1):
            self._row(value, dict(message.headers))

    def take(self, relations: tuple[Relation, ...], *, partial: bool) -> CaptureBatch | None:
        slices, self._done = self._done, []
        captured, self._whole = self._whole, 0
        if partial and not slices and self._rows:
            slices.append(self._slice(complete=False))
            captured += self._counted
            self._first, self._rows, self._counted = self._first + len(self._rows), [], 0
        return CaptureBatch(relations, tuple(slices), captured, self.position) if slices else None

    def _row(self, value: dict[str, Any], headers: dict[str, bytes]) -> None:
        self._events += value["op"] != "t"
        if "__debezium.newkey" in headers:
            self._old_key = value["before"]
            return
        old_key, self._old_key = self._old_key, None
        if self._skip:
            self._skip -= 1
            return
        self._counted += 1
        self._rows.append(self._capture._change(value, old_key))

    def _end(self, value: dict[str, Any]) -> None:
        if self._begin > (self._resume.position or -1):
            if value["event_count"] != self._events:
                raise SourceError(
                    f"END counts {value['event_count']} events, {self._events} came", remedy="reconcile"
                )
            self._done.append(self._slice(complete=True))
            self._whole, self._counted, self._rows = self._whole + self._counted, 0, []
            self.position = CommitPos(self._begin)

    def _slice(self, *, complete: bool) -> TransactionSlice:
        return TransactionSlice(CommitPos(self._begin), 0, _at(0), self._rows, self._first, complete)


def _value(message: Message) -> dict[str, Any] | None:
    return None if message.value is None else orjson.loads(message.value)


def _snapshotted(message: Message) -> bool:
    value = _value(message)
    return bool(value and value.get("op") == "r" and value["source"]["snapshot"] != "false")


def _texts(relation: Relation, image: dict[str, Any] | None) -> tuple[Value, ...] | None:
    return None if image is None else tuple(_text(c, image.get(c.name)) for c in relation.columns)


def _text(column: Column, value: Any) -> Value:
    """As PostgreSQL itself would print it."""
    if value is None:
        return None
    if value in _PLACEHOLDERS:
        return UNCHANGED
    if isinstance(value, bool):
        return "t" if value else "f"
    if column.type_name == "date":
        return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
    return str(value)


def _at(micros: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
