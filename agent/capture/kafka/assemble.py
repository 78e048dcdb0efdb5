"""Events of one ordered topic → transaction slices. Pure: no socket, no clock; the catalogue is a function handed in.

A position is the offset of the record after it, as Kafka counts; a transaction's is that of its BEGIN, known before its
rows. Rows that an incremental snapshot read have no transaction; they come in the middle of others' and are one of their
own, right after them. What does not fit together (a row that is missing, told twice or out of its transaction) is refused
and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from agent.capture.kafka.cursor import Cursor, number
from agent.capture.kafka.envelope import Begin, End, Event, Notice, Row, SchemaChange
from agent.capture.kafka.rows import Half, RowReader
from agent.errors import StreamBroken
from agent.model.changes import Relation, ResumePoint, RowChange, TransactionSlice
from agent.model.ids import CommitPos

RESOLVED = ("DATA_COLLECTIONS_RESOLVED", "IN_PROGRESS")  # notices that say which tables a snapshot reads
SAID = (*RESOLVED, "COMPLETED", "ABORTED", "SKIPPED")  # after these nothing of its beginning is open
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_RESNAPSHOT = "compare source and mirror, then take a new snapshot (`coexist source resnapshot`)"


@dataclass(slots=True)
class _Open:
    """The transaction whose rows are coming."""

    id: str
    position: CommitPos
    first: int = 0  # rows handed over before, or durable
    skip: int = 0  # of those, still to come again
    order: int = 0  # number of the last event, of those since the last begin
    events: int = 0  # of all
    place: tuple[int, int] | None = None  # of the last event in the binary log
    uncounted: int = 0  # truncates, which older connectors leave out of their count
    told: bool = False  # it was told of before: everything of it is dropped
    handed: bool = False  # a part of it left already
    ddl: bool = False  # of it nothing but a schema change has come
    odd: bool = False  # a record in it cannot be read
    at: datetime = _NO_TIME
    rows: list[RowChange] = field(default_factory=list)
    half: Half | None = None


class Assembler:
    """Feed it every event in order; take what is finished whenever you like.

    position: everything before this offset has been handed over or was nothing to hand over. ddl_commits: a TRUNCATE is a
    transaction of its own without an end (MariaDB). snapshot_ahead: a new snapshot of all our tables begins here.
    """

    def __init__(self, resume: ResumePoint, reader: RowReader, *, ddl_commits: bool) -> None:
        self.position = CommitPos(resume.position or 0)
        self.cursor = Cursor.read(resume.cursor)
        self.redelivered = 0  # transactions told again
        self.snapshot_ahead = False
        self._resume: ResumePoint | None = resume if resume.open_pos is not None else None
        self._reader = reader
        self._ddl_commits = ddl_commits
        self._done: list[TransactionSlice] = []
        self._finished_rows = 0
        self._open: _Open | None = None
        self._read: list[RowChange] = []  # by an incremental snapshot, not handed over yet
        self._read_at = (0, _NO_TIME)
        self.concluded = False  # the rest of one that was handed over in parts waits to be taken
        self._starting = False  # a snapshot that has not said yet of which tables: its beginning may be needed again

    @property
    def waiting(self) -> int:
        """Rows that `take` would hand over with `partial`."""
        return self._finished_rows + (len(self._open.rows) if self._open else 0) + len(self._read)

    def feed(self, offset: int, event: Event, key_moved: bool, placeholders: bool) -> None:
        """Take in one event. Raises StreamBroken, SourceUnavailable."""
        match event:
            case Row():
                self._row(offset, event, key_moved, placeholders)
            case Begin():
                self._begin(offset, event)
            case End():
                self._end(offset, event)
            case SchemaChange():
                self._schema_change(event)
            case Notice():
                self._notice(event)
            case _:
                self._nothing()
        if not self.snapshot_ahead:
            self._pass(offset)

    def take(self, *, partial: bool) -> tuple[tuple[Relation, ...], tuple[TransactionSlice, ...]]:
        """New shapes and finished transactions; with `partial` also what is there of the unfinished one."""
        self._flush_read()
        slices, self._done, self._finished_rows, self.concluded = self._done, [], 0, False
        opened = self._open
        if partial and opened is not None and opened.rows:
            slices.append(self._slice(opened, complete=False))
            opened.first += len(opened.rows)
            opened.rows, opened.handed = [], True
        return self._reader.take_relations(), tuple(slices)

    # ------------------------------------------------------------------------------------------------ events

    def _begin(self, offset: int, begin: Begin) -> None:
        self._starting = False
        opened = self._open
        if opened is not None and opened.id == begin.id and opened.events:
            self._goes_on(opened)
            return
        # One of which nothing came is a DDL statement, or was cut off at its beginning: nothing is missing.
        if opened is not None and (opened.events or opened.handed or opened.odd):
            raise self._torn(f"transaction {opened.id} has no end, and {begin.id} begins")
        self._open = opened = _Open(begin.id, CommitPos(offset + 1), told=self.cursor.told(begin.id, None))
        # A DDL statement without an end may stand before the one that we wait for.
        if self._resume is not None and opened.position >= (self._resume.open_pos or 0):
            if opened.position != self._resume.open_pos:
                raise self._torn(f"the topic does not continue the transaction that is half in the inbox, {begin.id} comes")
            opened.first = opened.skip = self._resume.open_rows
            opened.handed = opened.first > 0
            self._resume = None

    def _goes_on(self, opened: _Open) -> None:
        """MariaDB's connector, stopped in the middle of a transaction, begins it again, tells only the rest and counts anew."""
        if opened.place is None or opened.odd:
            raise self._torn(f"transaction {opened.id} begins a second time")
        opened.order = opened.uncounted = 0

    def _end(self, offset: int, end: End) -> None:
        opened = self._open
        if opened is None and end.events == 0:
            return  # of a DDL statement, after a heartbeat
        if opened is None or opened.id != end.id:
            raise self._torn(f"transaction {end.id} ends without having begun")
        if end.events not in (opened.order, opened.order - opened.uncounted):
            raise self._torn(f"transaction {end.id} had {end.events} events, {opened.order} of them are in the topic")
        if opened.half is not None or opened.skip:
            raise self._torn(f"transaction {end.id} ends in the middle of a change")
        if opened.told or self.cursor.told(end.id, end.lsn):
            if opened.handed:
                raise self._torn(f"transaction {end.id} is told a second time")
            self.redelivered += 1
        else:
            self._finish(opened)
            self.cursor = self.cursor.after(end.id, end.lsn)
        self._open = None

    def _finish(self, opened: _Open) -> None:
        if opened.rows or opened.first:
            self.concluded |= opened.handed
            self._finished_rows += len(opened.rows)
            self._done.append(self._slice(opened, complete=True))

    def _row(self, offset: int, row: Row, key_moved: bool, placeholders: bool) -> None:
        if row.initial and not self.cursor.some_tables:
            self.snapshot_ahead = True
            return
        if row.transaction is None and row.op == "m":
            return  # written outside of any transaction, and told wherever it happens to be
        if row.transaction is None and row.op == "r":
            self._read_by_snapshot(offset, row, placeholders)
            return
        opened = self._open
        if row.transaction is None or opened is None:
            raise self._no_markers(row)
        if opened.id != row.transaction or row.order != opened.order + 1:
            raise self._torn(
                f"event {row.order} of transaction {row.transaction} follows event {opened.order} of {opened.id}"
            )
        if row.order == 1 and opened.place is not None and not self._after(opened.place, row, key_moved):
            raise self._torn(f"transaction {opened.id} begins a second time, and not where it was cut off")
        opened.order, opened.at, opened.place = row.order, row.at, row.place
        opened.events += 1
        opened.uncounted += row.op == "t"
        self._change(opened, row, key_moved, placeholders)
        if row.op == "t" and self._ddl_commits:
            self.cursor = self.cursor.after(opened.id, None)
            self._finish(opened)
            self._open = None

    @staticmethod
    def _after(place: tuple[int, int], row: Row, key_moved: bool) -> bool:
        # The two halves of a key change are at one place.
        return row.place is not None and (row.place > place or (row.place == place and row.op == "c" and key_moved))

    def _change(self, opened: _Open, row: Row, key_moved: bool, placeholders: bool) -> None:
        if opened.told or not self._reader.captured(row):
            return
        read = self._reader.read(row, opened.half, key_moved=key_moved, placeholders=placeholders)
        if isinstance(read, Half):
            opened.half = read
            return
        opened.half = None
        if opened.skip:
            opened.skip -= 1
        else:
            opened.rows.append(read)

    def _read_by_snapshot(self, offset: int, row: Row, placeholders: bool) -> None:
        self._nothing()  # a DDL statement without an end is over
        if self._reader.captured(row):
            read = self._reader.read(row, None, key_moved=False, placeholders=placeholders)
            assert isinstance(read, RowChange)
            if not self._read:
                self._read_at = (offset, row.at)
            self._read.append(read)

    def _schema_change(self, change: SchemaChange) -> None:
        self._reader.forget(change.tables)
        if self._open is not None and not self._open.events:
            self._open.ddl = True  # mostly without an end; CREATE TABLE … AS SELECT has rows and an end after it

    def _nothing(self) -> None:
        # Else the position would stay where the statement was for as long as the source is idle.
        if self._open is not None and self._open.ddl and not self._open.events and not self._open.first:
            self._open = None

    def _notice(self, notice: Notice) -> None:
        if notice.about != "Initial Snapshot":
            return
        self._starting = notice.kind == "STARTED" or (self._starting and notice.kind not in SAID)
        if notice.kind in RESOLVED:
            # Of chosen tables only, asked for while streaming: its rows are as new as the stream is here.
            some = not self._reader.covers(notice.tables)
            self.snapshot_ahead = not some
            self.cursor = replace(self.cursor, some_tables=some)
        elif notice.kind in ("COMPLETED", "ABORTED"):
            self.cursor = replace(self.cursor, some_tables=False)

    # ------------------------------------------------------------------------------------------------ handing over

    def skip(self, offset: int) -> None:
        """A record that cannot be read. In a transaction the numbers of the others prove that it was none of ours."""
        if self._open is not None:
            self._open.odd = True
        self._pass(offset)

    @property
    def whole(self) -> bool:
        """Whether finished transactions wait to be taken."""
        return bool(self._done) or (bool(self._read) and self._open is None)

    def _pass(self, offset: int) -> None:
        """If nothing is open, everything up to here is told."""
        if self._open is None and self._resume is None and not self._starting:
            self._flush_read()
            self.position = CommitPos(offset + 1)

    def _flush_read(self) -> None:
        if self._read and self._open is None:
            offset, at = self._read_at
            self._done.append(TransactionSlice(CommitPos(offset + 1), 0, at, self._read))
            self._finished_rows += len(self._read)
            self._read = []

    def _slice(self, opened: _Open, *, complete: bool) -> TransactionSlice:
        return TransactionSlice(
            opened.position, number(opened.id), opened.at, opened.rows, opened.first, complete
        )

    def _no_markers(self, row: Row) -> StreamBroken:
        return StreamBroken(
            f"a change of {row.schema}.{row.table} comes outside of any transaction",
            remedy="the topic must hold the connector's transaction topic too, and the connector must have"
            " provide.transaction.metadata=true and one ordered topic for all: see `coexist connect plan`",
        )

    def _torn(self, what: str) -> StreamBroken:
        return StreamBroken(
            what, remedy=f"the topic lost or doubled something: exactly.once.support=required, read_committed? {_RESNAPSHOT}"
        )
