"""How far an agent's line is, as its store says, and when it may be called drained."""

from __future__ import annotations

import time
from typing import NamedTuple

STANDING = """
    SELECT s.position,
           coalesce(s.last_txn - d.txn_no, 1) AS underived,
           coalesce(d.baseline_done, false) AND coalesce((SELECT bool_and(baseline_done) FROM coexist.target), false),
           (SELECT count(*) FROM coexist.dirty),
           (SELECT count(*) FROM coexist.command WHERE state IN ('in_flight', 'unknown')),
           (SELECT count(*) FROM coexist.command WHERE state = 'waiting'),
           (SELECT count(*) FROM coexist.exception WHERE state = 'open'),
           (SELECT count(*) FROM coexist.outcome)
    FROM coexist.stream s LEFT JOIN coexist.derive_position d USING (stream_id)"""


class Standing(NamedTuple):
    """How far the line is, read from the store."""

    position: int | None
    underived: int
    ready: bool
    dirty: int
    out: int
    waiting: int
    exceptions: int
    outcomes: int

    def quiet(self, lsn: int) -> bool:
        """Everything up to `lsn` is captured and derived, and no answer is outstanding."""
        through = self.position is not None and self.position > lsn and self.underived == 0
        return through and self.ready and self.dirty == 0 and self.out == 0

    def moved(self, before: Standing) -> bool:
        """Whether anything was done since. Heartbeats move the position of a source where nothing happens."""
        return self._replace(position=before.position) != before


class Quiet:
    """Has the line been quiet long enough? Fed with one look after the other."""

    def __init__(self, lsn: int) -> None:
        self._lsn = lsn
        self._since = time.monotonic()
        self.last: Standing | None = None

    def holds(self, standing: Standing | None) -> bool:
        """Nothing moves, and nothing that waits is about to. What waits behind an exception may wait."""
        before, self.last = self.last, standing
        if standing is None or before is None or standing.moved(before) or not standing.quiet(self._lsn):
            self._since = time.monotonic()
            return False
        if standing.waiting and not standing.exceptions:
            return False
        return time.monotonic() - self._since >= (2.5 if standing.waiting else 0.15)
