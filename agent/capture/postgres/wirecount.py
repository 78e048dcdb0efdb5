"""Row changes counted from raw message kinds, before anything is decoded.

The left side of the row ledger must not come from the hand that makes the right one: this shares nothing with the
assembler but the bytes.
"""

from __future__ import annotations

from struct import Struct

from agent.capture.postgres.pgoutput import BEGIN, COMMIT, DELETE, INSERT, TRUNCATE, UPDATE
from agent.model.changes import ResumePoint

MAX_BATCH_BYTES = 16 * 1024 * 1024
_ROWS = frozenset((INSERT, UPDATE, DELETE))
_begin_lsn = Struct(">xQ").unpack_from
_truncated = Struct(">xI").unpack_from


class WireCount:
    """Row changes and bytes by raw message kinds. whole: of finished transactions; open: of the one still
    coming, below zero while what comes of it is already durable."""

    def __init__(self, resume: ResumePoint) -> None:
        self._resume = resume
        self._step = 0  # 0 inside a transaction that the store has already
        self.whole = self.open = 0
        self.whole_bytes = self.open_bytes = 0

    def see(self, data: bytes, start: int) -> None:
        """Count one message."""
        kind = data[start]
        if kind in _ROWS:
            self.open += self._step
            self.open_bytes += len(data)
        elif kind == TRUNCATE:
            self.open += self._step * int(_truncated(data, start)[0])
        elif kind == BEGIN:
            lsn = _begin_lsn(data, start)[0]
            self._step = 0 if lsn <= (self._resume.position or 0) else 1
            self.open = -self._resume.open_rows if lsn == self._resume.open_pos else 0
        elif kind == COMMIT:
            self.whole += self.open
            self.whole_bytes += self.open_bytes * self._step
            self.open = self.open_bytes = 0

    def full(self, rows: int) -> bool:
        """Whether a batch of this size is reached."""
        return self.whole + self.open >= rows or (
            self.whole_bytes + self.open_bytes >= MAX_BATCH_BYTES and self.whole + self.open > 0
        )

    def hand_over(self, *, partial: bool) -> int:
        """What a batch holds; starts the next one at zero."""
        handed = self.whole
        self.whole = self.whole_bytes = 0
        if partial and self.open > 0:
            handed += self.open
            self.open = self.open_bytes = 0
        return handed
