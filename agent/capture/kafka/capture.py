"""The capture port over one ordered Kafka topic that Debezium writes: rows, transaction markers, schema changes, notices.

Positions are offsets as Kafka counts them: of the next record. The store keeps them, and moves them on with the rows; beside
them it keeps where the source itself stood, so that what is told twice is known and a restored source is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.capture.kafka.consume import TopicReader, gone, made_anew
from agent.capture.kafka.cursor import Cursor
from agent.capture.kafka.databases import describe_all, open_database
from agent.capture.kafka.envelope import Unreadable, decode
from agent.capture.kafka.find import SnapshotSearch
from agent.capture.kafka.rows import RowReader
from agent.capture.kafka.settings import KafkaSettings
from agent.capture.kafka.shapes import Shapes, Table, without_uncaptured
from agent.capture.kafka.snapshot import SnapshotRows
from agent.capture.kafka.stream import Stream
from agent.capture.kafka.topics import describe, refuse_unsafe
from agent.errors import SourceError, StreamBroken
from agent.failpoints import failpoint
from agent.model.changes import CaptureBatch, Relation, ResumePoint, SourceIdentity
from agent.model.ids import CommitPos
from agent.ports import Observer

_NOTHING_YET = CommitPos(0)  # end_pos of every batch of a snapshot before the last


class KafkaCapture:
    """Implements agent.ports.Capture. An `interrupt` or `close` is final: make a new object to go on."""

    def __init__(
        self, settings: KafkaSettings, *, idle_seconds: float = 2.0, observer: Observer | None = None
    ) -> None:
        self._settings, self._idle, self._observer = settings, idle_seconds, observer
        self._database = open_database(settings.database, settings.dsn)
        self._complete: dict[Table, bool] = {}
        self._reader: TopicReader | None = None
        self._stopped = False
        self._snapshot_end: CommitPos | None = None
        self._cursor = Cursor()

    def __repr__(self) -> str:
        return f"KafkaCapture({self._settings.topic} of {self._database.place})"

    def check(self, resume: ResumePoint) -> SourceIdentity:
        """See the port. The topic's own id is a part of the identity: made anew, it is another stream."""
        self._database.check()
        self.relations()
        topic = self._settings.topic
        state = describe(topic, self._settings.client)
        refuse_unsafe(topic, state)
        reader = self._open()
        marks = reader.watermarks()
        if resume.position is not None:
            if resume.position < marks.low:
                raise gone(reader.place)
            if resume.position > marks.high:
                raise made_anew(reader.place, marks.high, resume.position)
        self._cursor = Cursor.read(resume.cursor)
        self._refuse_restored(self._cursor)
        system, timeline = self._database.identity()
        return SourceIdentity(f"{system}/{state.id}", timeline, CommitPos(marks.high))

    def relations(self) -> tuple[Relation, ...]:
        """See the port. Columns of types that Debezium does not tell faithfully are left out, and said so."""
        kept = [without_uncaptured(d.relation) for d in describe_all(self._database, self._settings.tables)]
        for relation, left_out in kept:
            for column in left_out:
                if column.key:
                    raise SourceError(
                        f"the key column {column.name} of {relation.schema}.{relation.table} is of type {column.type_name},"
                        " which is not captured", where=self._database.place, remedy="map a table with another key",
                    )  # fmt: skip
                self._tell("warning", "column is not captured", table=f"{relation.schema}.{relation.table}",
                           column=column.name, type=column.type_name)  # fmt: skip
        return tuple(relation for relation, _ in kept)

    def snapshot(self, after: CommitPos | None = None) -> Iterator[CaptureBatch]:
        """See the port: the newest one in the topic, or the one that is to come."""
        reader, rows = self._open(), self._rows()
        start = None
        for start in SnapshotSearch(reader, rows, after).starts(self._idle):
            if start is None:
                yield CaptureBatch((), (), 0, _NOTHING_YET)
        if start is None:
            return
        self._tell("info", "snapshot starts", offset=start)
        reader.seek(start)
        yield from self._read_snapshot(reader, SnapshotRows(start, rows))

    def _read_snapshot(self, reader: TopicReader, found: SnapshotRows) -> Iterator[CaptureBatch]:
        while not reader.told:
            messages = reader.read(self._idle)
            for message in messages:
                try:
                    found.feed(message.offset() or 0, decode(message.value()))
                except Unreadable as error:
                    raise StreamBroken(
                        f"a record of the snapshot cannot be read: {error}", where=f"{reader.topic}/{message.offset()}",
                        remedy="have the connector take a new snapshot",
                    ) from None  # fmt: skip
                if found.complete:
                    self._snapshot_end = found.position
                    yield found.take()
                    return
                if found.waiting >= self._settings.max_slice_rows:
                    yield found.take()
                    failpoint("snapshot-mid")
            if not messages:
                yield CaptureBatch((), (), 0, _NOTHING_YET)

    def stream(self, resume: ResumePoint) -> Iterator[CaptureBatch]:
        """See the port."""
        reader = self._open()
        reader.seek(resume.position or 0)
        self._tell("info", "stream starts", offset=resume.position)
        yield from Stream(
            reader, resume, self._rows(), ddl_commits=self._database.ddl_commits, idle=self._idle,
            max_rows=self._settings.max_slice_rows, on_told_again=self._told_again,
        ).batches()  # fmt: skip

    def acknowledge(self, position: CommitPos) -> None:
        """See the port: only Kafka's own tools hear of it."""
        if self._reader is not None:
            self._reader.commit(position)
        if position == self._snapshot_end:
            self._snapshot_end = None
            failpoint("snapshot-handoff")

    def interrupt(self) -> None:
        """See the port."""
        self._stopped = True
        if self._reader is not None:
            self._reader.interrupt()

    def close(self) -> None:
        """See the port."""
        self.interrupt()
        if self._reader is not None:
            self._reader.close()
        self._database.close()

    def _open(self) -> TopicReader:
        if self._reader is None:
            self._reader = TopicReader(self._settings.topic, self._settings.client)
            if self._stopped:
                self._reader.interrupt()
        return self._reader

    def _rows(self) -> RowReader:
        return RowReader(Shapes(self._settings.tables, self._describe), self._settings.tables, self._is_complete)

    def _describe(self, table: Table) -> Relation | None:
        found = self._database.describe(table)
        if found is None:
            return None
        self._complete[table] = found.complete
        return found.relation

    def _is_complete(self, table: Table) -> bool:
        return self._complete.get(table, False)

    def _told_again(self, times: int) -> None:
        """What came twice was dropped; but only if the source has not been set back, for then it is not the same."""
        self._tell("warning", "transactions were told again and dropped", times=times)
        if self._observer is not None:
            self._observer.count("redelivered_transactions", times, topic=self._settings.topic)
        self._refuse_restored(self._cursor)

    def _refuse_restored(self, cursor: Cursor) -> None:
        if cursor.beyond(self._database.position()):
            raise StreamBroken(
                "the database stands before what it told us already: it was restored", where=self._database.place,
                remedy="`coexist source resnapshot`, and have the connector take a new snapshot",
            )  # fmt: skip

    def _tell(self, level: str, message: str, **fields: object) -> None:
        if self._observer is not None:
            self._observer.event(level, message, topic=self._settings.topic, **fields)
