"""The rows of an initial snapshot, as the connector wrote them into the topic, as one transaction (pure).

It begins where the connector says so, and again where the connector was stopped and began again. It is complete when the
connector says so, where it says nothing at the row that it marked as the last, or when the stream begins.
"""

from __future__ import annotations

from datetime import UTC, datetime

from agent.capture.kafka.cursor import Cursor
from agent.capture.kafka.envelope import Begin, Event, Notice, Row
from agent.capture.kafka.rows import RowReader
from agent.model.changes import CaptureBatch, RowChange, TransactionSlice
from agent.model.ids import CommitPos

ABOUT = "Initial Snapshot"
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class SnapshotRows:
    """Feed it every event from where the snapshot begins; take batches.

    complete: nothing more comes. position: where the stream goes on, once complete.
    """

    def __init__(self, offset: int, reader: RowReader) -> None:
        self._reader = reader
        self._begins = CommitPos(offset + 1)
        self._rows: list[RowChange] = []
        self._first = self._counted = 0
        self._anew = False
        self._noticed = False
        self._at = _NO_TIME
        self._cursor = Cursor()
        self.complete = False
        self.position = CommitPos(0)

    @property
    def waiting(self) -> int:
        """Rows to be taken."""
        return len(self._rows)

    def feed(self, offset: int, event: Event) -> None:
        """Take in one event. Raises SourceError, SourceUnavailable."""
        self.position = CommitPos(offset + 1)
        if isinstance(event, Notice) and event.about == ABOUT:
            self._notice(offset, event)
        elif isinstance(event, Row) and event.initial:
            self._row(event)
        elif isinstance(event, Begin):
            self.position = CommitPos(offset)  # the stream has begun, with this
            self.complete = True

    def _notice(self, offset: int, notice: Notice) -> None:
        self._noticed = True
        if notice.kind in ("COMPLETED", "SKIPPED"):  # skipped after a restart: it was complete
            self.complete = True
        elif notice.kind in ("STARTED", "ABORTED") and (self._rows or self._first):
            self._void(offset)

    def _void(self, offset: int) -> None:
        self._begins, self._rows, self._first = CommitPos(offset + 1), [], 0
        self._counted, self._anew = 0, True

    def _row(self, row: Row) -> None:
        self._at = row.at
        if row.lsn is not None:
            self._cursor = Cursor(lsn=row.lsn)
        if self._reader.captured(row):
            self._counted += 1
            read = self._reader.read(row, None, key_moved=False, placeholders=False)
            assert isinstance(read, RowChange)
            self._rows.append(read)
        # Where several threads read, the row that is marked as the last is not the last.
        self.complete = row.snapshot == "last" and not self._noticed

    def take(self) -> CaptureBatch:
        """What is there, as the next slice."""
        rows, self._rows = self._rows, []
        piece = TransactionSlice(
            self._begins, 0, self._at, rows, self._first, complete=self.complete, snapshot=True
        )
        batch = CaptureBatch(
            self._reader.take_relations(), (piece,), self._counted,
            self.position if self.complete else CommitPos(0),
            cursor=self._cursor.text() if self.complete else None, anew=self._anew,
        )  # fmt: skip
        self._first += len(rows)
        self._counted, self._anew = 0, False
        return batch
