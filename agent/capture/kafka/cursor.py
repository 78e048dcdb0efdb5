"""Where the source stood when it told of the last transaction: its own position, beside the topic's (pure).

PostgreSQL: the log position where the transaction's commit ends, which grows in commit order. MariaDB: the sequence number
of the GTID, per replication domain. So a transaction that is told again is known, and a source that was restored to an
earlier state is noticed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

_GTID = re.compile(r"^(\d+)-(\d+)-(\d+)$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """lsn: PostgreSQL. gtids: MariaDB, domain → highest sequence number. Both empty: nothing was told yet.

    some_tables: a snapshot of chosen tables, beside the stream, is under way.
    """

    lsn: int | None = None
    gtids: dict[str, int] = field(default_factory=dict)
    some_tables: bool = False

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """From the form in which the store keeps it."""
        if not text:
            return cls()
        values: dict[str, Any] = orjson.loads(text)
        return cls(values.get("lsn"), dict(values.get("gtids") or {}), bool(values.get("some_tables")))

    def text(self) -> str:
        """For the store."""
        values = {"lsn": self.lsn, "gtids": self.gtids, "some_tables": self.some_tables}
        return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()

    def told(self, transaction: str, lsn: int | None) -> bool:
        """Whether this transaction (its id; PostgreSQL: and where it ends) was told of before."""
        if lsn is not None:
            return self.lsn is not None and lsn <= self.lsn
        domain, number = _gtid(transaction)
        return number is not None and number <= self.gtids.get(domain, -1)

    def after(self, transaction: str, lsn: int | None) -> Cursor:
        """With this transaction told."""
        if lsn is not None:
            return replace(self, lsn=max(lsn, self.lsn or 0))
        domain, number = _gtid(transaction)
        if number is None:
            return self
        return replace(self, gtids={**self.gtids, domain: max(number, self.gtids.get(domain, -1))})

    def beyond(self, now: Cursor) -> bool:
        """Whether this is further than where the source stands `now`: then the source was restored."""
        if self.lsn is not None and now.lsn is not None and self.lsn > now.lsn:
            return True
        return any(number > now.gtids.get(domain, -1) for domain, number in self.gtids.items())


def gtid_position(text: str) -> dict[str, int]:
    """MariaDB's list of GTIDs (`0-1-42,3-11-7`) as domain → sequence number."""
    found: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        domain, number = _gtid(part)
        if number is not None:
            found[domain] = max(number, found.get(domain, -1))
    return found


def number(transaction: str) -> int:
    """A transaction's number in its source: PostgreSQL's xid, the last part of a GTID; 0 where it has none."""
    last = transaction.rpartition("-")[2]
    return int(last) if last.isdigit() else 0


def _gtid(text: str) -> tuple[str, int | None]:
    match = _GTID.match(text)
    return (match[1], int(match[3])) if match else ("", None)
