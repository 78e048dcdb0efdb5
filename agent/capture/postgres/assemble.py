"""Messages → transaction slices. Pure: no socket, no clock; the catalogue is a function handed in.

Skips what the store has already (whole transactions up to the resume position, the first rows of an open
one), keeps the rows of the transaction that is still coming, and hands over what is finished.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from agent.capture.postgres import pgoutput
from agent.capture.postgres.lsn import lsn_text
from agent.capture.postgres.pgoutput import (
    BEGIN,
    COMMIT,
    DELETE,
    INSERT,
    RELATION,
    TRUNCATE,
    UPDATE,
    WireRelation,
)
from agent.errors import SourceError
from agent.model.changes import Relation, ResumePoint, RowChange, TransactionSlice
from agent.model.ids import CommitPos

_ROWS = frozenset((INSERT, UPDATE, DELETE))
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class Assembler:
    """Feed it every message in order; take what is finished whenever you like.

    position: everything up to here has been handed over or was nothing to hand over. describe: makes a
    Relation of a relation message (types' names and nullability stand in the catalogue only).
    """

    def __init__(self, resume: ResumePoint, describe: Callable[[WireRelation], Relation]) -> None:
        self.position = CommitPos(resume.position or 0)
        self._done_before = CommitPos(resume.position or 0)
        self._expected = resume.open_pos  # the transaction that has to come first
        self._open_rows = resume.open_rows
        self._describe = describe
        self._known: dict[int, Relation] = {}
        self._fresh: list[Relation] = []
        self._done: list[TransactionSlice] = []
        self._rows: list[RowChange] = []
        self._open: pgoutput.Begin | None = None
        self._first = (
            0  # rows of the open transaction that were handed over in earlier slices, or are durable
        )
        self._skip: int | None = 0  # rows of it still to be dropped; None: all of them

    @property
    def whole(self) -> bool:
        """Whether finished transactions wait to be taken."""
        return bool(self._done)

    def must_hand_over_before(self, data: bytes, start: int = 0) -> bool:
        """Whether this message would change the meaning of rows not yet handed over (rows name their shape
        only by number)."""
        if data[start] != RELATION or not (self._rows or self._done):
            return False
        wire = pgoutput.decode_relation(data, start)
        return wire.oid in self._known and self._describe(wire) != self._known[wire.oid]

    def feed(self, data: bytes, start: int = 0) -> None:
        """Take in one message. Raises DecodeError, SourceError (a stream that is not the one we left)."""
        kind = data[start]
        if kind in _ROWS:
            if self._skip == 0:
                self._rows.append(pgoutput.decode_change(data, start))
            elif self._skip is not None:
                self._skip -= 1
        elif kind == BEGIN:
            self._begin(pgoutput.decode_begin(data, start))
        elif kind == COMMIT:
            self._commit(pgoutput.decode_commit(data, start))
        elif kind == RELATION:
            self._relation(pgoutput.decode_relation(data, start))
        elif kind == TRUNCATE:
            self._truncate(pgoutput.decode_truncate(data, start))
        elif kind not in b"OYM":
            raise pgoutput.DecodeError(f"message kind {kind:#x}")

    def passed(self, position: CommitPos) -> None:
        """Nothing of ours is committed up to here (a keepalive); ignored inside a transaction.

        Raises SourceError when the transaction that is half in the inbox should have come by then.
        """
        if self._open is None and position > self.position:
            if self._expected is not None and position >= self._expected:
                raise self._discontinued()
            self.position = position

    def take(self, *, partial: bool) -> tuple[tuple[Relation, ...], tuple[TransactionSlice, ...]]:
        """New shapes and finished transactions; with `partial` also what is there of the unfinished one."""
        slices, self._done = self._done, []
        if partial and self._rows:
            slices.append(self._slice(complete=False))
            self._first += len(self._rows)
            self._rows = []
        fresh, self._fresh = self._fresh, []
        return tuple(fresh), tuple(slices)

    def _begin(self, begin: pgoutput.Begin) -> None:
        self._open, self._first, self._skip = begin, 0, 0
        if begin.commit_lsn <= self._done_before:
            self._skip = None
        elif self._expected is not None:
            if begin.commit_lsn != self._expected:
                raise self._discontinued()
            self._skip = self._first = self._open_rows
            self._expected = None

    def _commit(self, commit: pgoutput.Commit) -> None:
        if self._open is None:
            raise pgoutput.DecodeError("commit without begin")
        if self._skip is not None:
            if self._skip:
                raise self._discontinued()
            # Transactions that touched nothing of ours come as well from older servers; they are nobody's
            # news.
            if self._rows or self._first:
                self._done.append(self._slice(complete=True))
            self.position = CommitPos(commit.commit_lsn)
        self._open, self._rows = None, []

    def _discontinued(self) -> SourceError:
        at = "" if self._expected is None else f" at {lsn_text(self._expected)}"
        return SourceError(
            f"the source does not continue the transaction{at} that is half in the inbox",
            remedy="the source was restored or its slot made anew: take a new snapshot of this source"
            " (`coexist source resnapshot`)",
        )

    def _slice(self, *, complete: bool) -> TransactionSlice:
        lsn, at, xid = self._open or (0, _NO_TIME, 0)
        return TransactionSlice(CommitPos(lsn), xid, at, self._rows, self._first, complete)

    def _relation(self, wire: WireRelation) -> None:
        relation = self._describe(wire)
        if self._known.get(wire.oid) != relation:
            self._known[wire.oid] = relation
            self._fresh.append(relation)

    def _truncate(self, message: pgoutput.Truncate) -> None:
        for ref in message.relations:
            if self._skip == 0:
                self._rows.append(RowChange(ref, "t", None, None))
            elif self._skip is not None:
                self._skip -= 1
