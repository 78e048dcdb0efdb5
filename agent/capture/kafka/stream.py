"""From records to batches: what is whole is handed over, what alone fills a batch in slices, an idle place now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from confluent_kafka import Message

from agent.capture.kafka.assemble import Assembler
from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.envelope import Event, Row, SchemaChange, Unreadable, decode, moved_key
from agent.capture.kafka.rows import RowReader
from agent.capture.kafka.values import may_hold_placeholder
from agent.capture.kafka.wirecount import WireCount
from agent.errors import CoexistError, SnapshotAhead, SourceError, SourceUnavailable, StreamBroken
from agent.model.changes import CaptureBatch, Oddity, ResumePoint


class Stream:
    """One run over the topic. `batches` may be iterated once.

    on_told_again: called when transactions came a second time. ask_types_every: seconds between looks at the columns' types,
    of a source that does not tell of DDL statements.
    """

    def __init__(
        self, reader: TopicReader, resume: ResumePoint, rows: RowReader, *, ddl_commits: bool, max_rows: int, idle: float,
        on_told_again: Callable[[int], None], ask_types_every: float = 10.0,
    ) -> None:  # fmt: skip
        self._reader, self._rows, self._max_rows, self._idle = reader, rows, max_rows, idle
        self._assembler = Assembler(resume, rows, ddl_commits=ddl_commits)
        self._count = WireCount(resume, ddl_commits=ddl_commits)
        self._on_told_again = on_told_again
        self._told_again = 0
        self._ddl_told, self._ask_every, self._asked = ddl_commits, ask_types_every, time.monotonic()
        self._oddities: list[tuple[int, Oddity]] = []  # offset and what is there
        self._yielded = time.monotonic()

    def batches(self) -> Iterator[CaptureBatch]:
        """Until told to stop. Raises StreamBroken, SourceUnavailable, SnapshotAhead."""
        while True:
            messages = self._reader.read(self._idle - (time.monotonic() - self._yielded))
            if not messages and self._reader.told:
                return
            if not self._ddl_told and time.monotonic() - self._asked >= self._ask_every:
                yield from self._ask_types()
            for message in messages:
                yield from self._take_in(message)
                if self._assembler.snapshot_ahead:
                    break
            self._report_told_again()
            if self._assembler.whole or self._assembler.snapshot_ahead or self._is_idle():
                yield self._batch(partial=False)
            if self._assembler.snapshot_ahead:
                raise SnapshotAhead(
                    "the connector took a new snapshot", where=self._reader.place, remedy="it is read from here on"
                )

    def _take_in(self, message: Message) -> Iterator[CaptureBatch]:
        offset, value = message.offset() or 0, message.value()
        try:
            event = decode(value)
        except Unreadable as error:
            odd = Oddity(f"{self._reader.topic}/{offset}", f"a record that cannot be read: {error}")
            self._oddities.append((offset, odd))
            self._assembler.skip(offset)
            return
        ours = isinstance(event, Row) and self._rows.captured(event)
        key_moved = isinstance(event, Row) and event.op in "cd" and moved_key(event.op, message.headers())
        if self._assembler.waiting and self._changes_meaning(event, ours=ours):
            yield from self._everything(offset)
        try:
            placeholders = value is not None and ours and may_hold_placeholder(value)
            self._assembler.feed(offset, event, key_moved, placeholders)
        except CoexistError as error:
            raise self._placed(error, offset) from None
        if self._assembler.snapshot_ahead:
            return
        self._count.see(offset, event, ours=ours, first_half=key_moved and _op(event) == "d", size=len(value or b""))
        if self._assembler.concluded or self._count.full(self._max_rows):
            yield self._batch(partial=not self._assembler.whole)

    def _ask_types(self) -> Iterator[CaptureBatch]:
        self._asked = time.monotonic()
        try:
            tables = self._rows.retyped()
        except CoexistError as error:
            raise self._placed(error, self._assembler.position) from None
        if tables:
            yield from self._everything(self._assembler.position)
            self._rows.forget(tables)

    def _everything(self, offset: int) -> Iterator[CaptureBatch]:
        # What is whole goes by itself: beside a part of another its end would not become the stream's position.
        if self._assembler.whole:
            yield self._batch(partial=False)
        if self._assembler.waiting:
            yield self._batch(partial=True)
        if self._assembler.waiting:
            raise StreamBroken(
                "a table changed its shape in the middle of what an incremental snapshot read of it",
                where=f"{self._reader.topic}/{offset}", remedy="take a new snapshot (`coexist source resnapshot`)",
            )  # fmt: skip

    def _changes_meaning(self, event: Event, *, ours: bool) -> bool:
        """Rows name their shape only by their table: those of an older one go first."""
        if isinstance(event, Row):
            return ours and self._rows.reshaped(event)
        return isinstance(event, SchemaChange)

    def _batch(self, *, partial: bool) -> CaptureBatch:
        relations, slices = self._assembler.take(partial=partial)
        # Where a transaction is open, its end still has to prove that they are harmless.
        proven = tuple(odd for at, odd in self._oddities if at < self._assembler.position)
        self._oddities = [(at, odd) for at, odd in self._oddities if at >= self._assembler.position]
        self._yielded = time.monotonic()
        return CaptureBatch(
            relations, slices, self._count.hand_over(partial=partial), self._assembler.position,
            cursor=self._assembler.cursor.text(), oddities=proven,
        )  # fmt: skip

    def _is_idle(self) -> bool:
        return time.monotonic() - self._yielded >= self._idle

    def _report_told_again(self) -> None:
        if self._assembler.redelivered != self._told_again:
            self._on_told_again(self._assembler.redelivered - self._told_again)
            self._told_again = self._assembler.redelivered

    def _placed(self, error: CoexistError, offset: int) -> CoexistError:
        if error.where or not isinstance(error, SourceError) or isinstance(error, SourceUnavailable):
            return error
        last = self._oddities[-1][1] if self._oddities else None
        unread = f"; {last.place}: {last.what}" if last else ""
        return StreamBroken(error.what + unread, where=f"{self._reader.topic}/{offset}", remedy=error.remedy)


def _op(event: Event) -> str:
    return event.op if isinstance(event, Row) else ""
