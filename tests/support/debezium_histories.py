"""Random topics with what must come of them: every kind of record, in every order that a connector may write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from agent.model.changes import CaptureBatch, ResumePoint, RowChange
from agent.model.ids import CommitPos
from tests.support import debezium as d
from tests.support.debezium import CUSTOMER, LINE, Record

FOREIGN = ("public", "unmapped")
KINDS = ("create", "update", "delete", "move", "truncate", "message", "foreign", "read", "heartbeat", "outside")


@dataclass
class History:
    """records: the topic. expected: rows of each transaction in the order of their ends. counted: which records are numbered
    events of a transaction that was not cut off. mariadb: whose.
    """

    mariadb: bool
    records: list[Record] = field(default_factory=list)
    expected: list[list[RowChange]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    again: bool = False  # a transaction comes a second time
    _number: int = 0
    _rows: list[RowChange] = field(default_factory=list)
    _read: list[RowChange] = field(default_factory=list)
    _order: int = 0
    _value: int = 0

    # ------------------------------------------------------------------------------------------------ writing

    @property
    def id(self) -> str:
        return f"0-1-{self._number}" if self.mariadb else f"{self._number}:{self._number * 1000}"

    def begin(self) -> None:
        self._number += 1
        self.open()

    def open(self) -> None:
        self._rows, self._read, self._order = [], [], 0
        self.records.append(d.begin(self.id))

    def end(self, *, told: bool = False) -> None:
        """told: it came before."""
        marker = self.id if self.mariadb else f"{self._number}:{self._number * 1000 + 500}"
        self.records.append(d.end(marker, self._order))
        self._finish(told=told)

    def _finish(self, *, told: bool = False) -> None:
        self.expected += [rows for rows in ([] if told else self._rows, self._read) if rows]
        self._rows, self._read = [], []

    def event(self, op: str, table: Any, before: Any, after: Any, header: str | None = None, *, same: bool = False) -> None:
        """One numbered event of the open transaction."""
        self._order += 1
        self._value += not same
        self.counted.append(len(self.records))
        self.records.append(d.row(
            op, table, before, after, transaction=self.id, order=self._order, header=header,
            lsn=None if self.mariadb else self._number * 1000 + self._order,
            place=(self._number * 1000 + self._value, 0) if self.mariadb else None,
        ))  # fmt: skip

    def write(self, kind: str, key: int) -> None:
        """One thing in the open transaction."""
        name = f"n{len(self.records)}"
        after, gone = {"id": key, "name": name}, {"id": key, "name": "old" if self.mariadb else None}
        old = (str(key), gone["name"])
        if kind == "create":
            self.event("c", CUSTOMER, None, after)
            self._rows.append(RowChange(1, "c", None, (str(key), name)))
        elif kind == "update":
            line = {"inv": key, "no": 1, "text": name}
            self.event("u", LINE, line if self.mariadb else None, line)
            new = (str(key), "1", name)
            self._rows.append(RowChange(2, "u", new if self.mariadb else None, new, self.mariadb))
        elif kind == "delete":
            self.event("d", CUSTOMER, gone, None)
            self.records.append(d.TOMBSTONE)
            self._rows.append(RowChange(1, "d", old, None, self.mariadb))
        elif kind == "move":
            self.event("d", CUSTOMER, gone, None, "__debezium.newkey")
            self.records.append(d.TOMBSTONE)
            self.event("c", CUSTOMER, None, after | {"id": key + 1}, "__debezium.oldkey", same=True)
            self._rows.append(RowChange(1, "u", old, (str(key + 1), name), self.mariadb))
        elif kind == "truncate" and not self.mariadb:
            self.event("t", LINE, None, None)
            self._rows.append(RowChange(2, "t", None, None))
        elif kind == "message" and not self.mariadb:
            self.event("m", ("", ""), None, None)
        elif kind == "outside" and not self.mariadb:
            self.records.append(d.row("m", ("", ""), None, None))
        elif kind == "foreign":
            self.event("c", FOREIGN, None, {"id": key})
        elif kind == "read":
            self.records.append(d.row("r", CUSTOMER, None, after, snapshot="incremental"))
            self._read.append(RowChange(1, "r", None, (str(key), name)))
        else:
            self.records.append(d.HEARTBEAT)

    def truncate(self) -> None:
        """MariaDB: a transaction of its own, without an end."""
        self.begin()
        self.event("t", LINE, None, None)
        self.counted.pop()  # nobody could miss it
        self._rows.append(RowChange(2, "t", None, None))
        self._finish()

    def ddl(self, *, heartbeat: bool, ended: bool) -> None:
        """MariaDB: a statement on a table's shape."""
        self.begin()
        self.records.append(d.schema_change(CUSTOMER))
        if heartbeat:
            self.records.append(d.HEARTBEAT)
        if ended:
            self.records.append(d.end(self.id, 0))

    def cut(self) -> None:
        """MariaDB: the connector was killed in the middle of the open transaction and goes on."""
        self.counted = [at for at in self.counted if at < self._began()]
        self.records += [d.notice("SKIPPED"), d.begin(self.id)]
        self._order = 0

    def _began(self) -> int:
        return max(at for at, record in enumerate(self.records) if record.value and b'"BEGIN"' in record.value)


@st.composite
def histories(draw: st.DrawFn, *, mariadb: bool, whole: bool = False) -> History:
    """whole: no transaction is cut off, and none comes again."""
    found = History(mariadb)
    for _ in range(draw(st.integers(1, 6))):
        what = draw(st.sampled_from(("transaction",) * 4 + ("between", "ddl", "truncate", "again")))
        if what == "between":
            _between(draw, found)
        elif what == "ddl" and mariadb:
            found.ddl(heartbeat=draw(st.booleans()), ended=draw(st.booleans()))
        elif what == "truncate" and mariadb:
            found.truncate()
        else:
            _transaction(draw, found, whole=whole, again=what == "again" and not whole)
    return found


def _between(draw: st.DrawFn, found: History) -> None:
    for kind in draw(st.lists(st.sampled_from(("read", "heartbeat", "outside", "skipped")), max_size=3)):
        if kind == "skipped":
            found.records.append(d.notice("SKIPPED"))
        else:
            found.write(kind, draw(st.integers(1, 9)))
        found.expected += [[change] for change in found._read]
        found._read = []


def _transaction(draw: st.DrawFn, found: History, *, whole: bool, again: bool) -> None:
    found.begin()
    started = len(found.records)
    for kind, key in draw(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 9)), max_size=8)):
        found.write(kind, key)
        if found.mariadb and not whole and found._order and draw(st.integers(0, 5)) == 0:
            found.cut()
    found.end()
    if again and not any(b'"SKIPPED"' in (r.value or b"") for r in found.records[started:]):
        told = [r for r in found.records[started - 1 :] if b'"incremental"' not in (r.value or b"")]
        found.records += told
        found.again = True


@dataclass
class Store:
    """What intake keeps of a stream, and the rule by which it does: what is durable is not taken again."""

    position: int
    open_pos: int | None = None
    cursor: str | None = None
    open_rows: list[RowChange] = field(default_factory=list)
    done: list[list[RowChange]] = field(default_factory=list)

    def resume(self) -> ResumePoint:
        """Where a capture would go on."""
        opened = None if self.open_pos is None else CommitPos(self.open_pos)
        return ResumePoint(CommitPos(self.position), opened, len(self.open_rows), self.cursor)

    def append(self, batch: CaptureBatch) -> None:
        """As agent.inbox.intake; but what it would drop must not come."""
        for piece in batch.slices:
            assert piece.commit_pos > self.position, "a transaction at or before what is durable"
            assert self.open_pos in (None, piece.commit_pos), "another transaction is open"
            assert piece.first_ordinal == len(self.open_rows), "slices must follow one another"
            self.open_rows = [*self.open_rows, *piece.changes]
            self.open_pos = piece.commit_pos
            if piece.complete:
                self.done.append(self.open_rows)
                self.position, self.open_pos, self.open_rows = piece.commit_pos, None, []
        if self.open_pos is None:
            self.position = max(self.position, batch.end_pos)
        self.cursor = batch.cursor
        assert batch.captured == sum(len(piece.changes) for piece in batch.slices), "counted otherwise on the wire"
