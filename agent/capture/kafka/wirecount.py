"""Row changes counted from the events themselves: the left side of the row ledger.

It must not come from the hand that makes the right one: this shares nothing with the assembler but the events.
"""

from __future__ import annotations

from agent.capture.kafka.cursor import Cursor
from agent.capture.kafka.envelope import Begin, End, Event, Row, SchemaChange
from agent.model.changes import ResumePoint

MAX_BATCH_BYTES = 16 * 1024 * 1024


class WireCount:
    """whole: row changes of finished transactions; open: of the one still coming, below zero while what comes of it is
    durable already. A key change is one, though it comes as two events. What an incremental snapshot read waits with the
    transaction in whose middle it came.
    """

    def __init__(self, resume: ResumePoint, *, ddl_commits: bool) -> None:
        self._resume = resume
        self._cursor = Cursor.read(resume.cursor)
        self._ddl_commits = ddl_commits
        self._told = self._inside = False
        self._id = ""
        self._read = 0
        self.whole = self.open = 0
        self.bytes = 0

    def see(self, offset: int, event: Event, *, ours: bool, first_half: bool, size: int) -> None:
        """Count one event of `size` bytes. ours: a row change of a captured table."""
        if ours:
            assert isinstance(event, Row)
            self.bytes += size
            if event.transaction is None:
                self._read += 1
                self._settle()
            elif not first_half and not self._told:
                self.open += 1
            if event.op == "t" and self._ddl_commits:
                self._ended(event.transaction or "", None)
        elif isinstance(event, Begin):
            if self._inside and event.id == self._id:
                return  # what was cut off goes on
            self._inside, self._id = True, event.id
            self._told = self._cursor.told(event.id, None)
            self.open = -self._resume.open_rows if offset + 1 == self._resume.open_pos else 0
        elif isinstance(event, End):
            self._ended(event.id, event.lsn)
        elif isinstance(event, SchemaChange) and not self.open:
            self._inside = False
            self._settle()

    def full(self, rows: int) -> bool:
        """Whether a batch of this size is reached."""
        return self.whole + self.open >= rows or (self.bytes >= MAX_BATCH_BYTES and self.whole + self.open > 0)

    def hand_over(self, *, partial: bool) -> int:
        """What a batch holds; starts the next one at zero."""
        handed, self.whole, self.bytes = self.whole, 0, 0
        if partial and self.open > 0:
            handed += self.open
            self.open = 0
        return handed

    def _ended(self, transaction: str, lsn: int | None) -> None:
        if not self._cursor.told(transaction, lsn):
            self.whole += self.open
            self._cursor = self._cursor.after(transaction, lsn)
        self.open = 0
        self._inside = False
        self._settle()

    def _settle(self) -> None:
        if not self._inside:
            self.whole, self._read = self.whole + self._read, 0
