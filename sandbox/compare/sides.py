"""What both sides hold, read in one snapshot each, and the numbers records had before they were renumbered."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

Record = Mapping[str, Any]
Key = tuple[str, str]  # company and number

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)\s*$", re.MULTILINE)
_SOURCE = ("money", "customers", "accounts", "invoices", "invoice_lines", "payments", "allocations")
_TARGET = (
    "money", "customers", "accounts", "invoices", "invoice_lines", "payments", "settlements", "doubled_markers",
    "doubled_vouchers", "doubled_effects", "wrong_vouchers",
)  # fmt: skip


@dataclass(frozen=True)
class Side:
    """Result rows by statement name."""

    rows: Mapping[str, list[Record]]

    def __getitem__(self, name: str) -> list[Record]:
        return self.rows[name]


class Numbers:
    """A record's number now and before: who was renumbered keeps the number the ERP first learnt."""

    def __init__(self, former: Iterable[tuple[str, str, str, str]]) -> None:
        self._former: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for table, company, current, old in former:
            self._former[table, company, current].append(old)

    def customer(self, number: str) -> Iterator[str]:
        """This number and the ones before it, in capitals, the latest first."""
        yield from self.known("ARCUST", "", number)

    def invoice(self, company: str, number: str) -> Iterator[str]:
        """The same for an invoice."""
        yield from self.known("ARINVH", company, number)

    def known(self, table: str, company: str, number: str) -> Iterator[str]:
        """The same for any table of the history."""
        yield number.upper()
        yield from (old.upper() for old in self._former.get((table, company, number), ()))


@cache
def statements(name: str) -> dict[str, str]:
    """The named statements of sql/<name>.sql."""
    text = files("sandbox.compare").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


def read_source(dsn: str) -> tuple[Side, Numbers]:
    """The legacy side, as of one moment."""
    named = statements("source")
    with psycopg.connect(dsn, options="-c default_transaction_isolation=repeatable\\ read") as conn:
        former = conn.execute(named["former_numbers"]).fetchall()
        cursor = conn.cursor(row_factory=dict_row)
        rows: dict[str, list[Record]] = {name: list(cursor.execute(named[name])) for name in _SOURCE}
    return Side(rows), Numbers((str(t), str(c), str(n), str(o)) for t, c, n, o in former)


def read_target(record: Path, names: Iterable[str] = _TARGET, file: str = "target") -> Side:
    """The ERP's side, as of one moment, by the named statements of sql/<file>.sql; the record is only read."""
    named = statements(file)
    if not record.exists():
        raise FileNotFoundError(f"{record}: the ERP sandbox has written no record there")
    with closing(sqlite3.connect(f"file:{record}?mode=ro", uri=True, isolation_level=None)) as conn:
        conn.row_factory = sqlite3.Row
        conn.execute("BEGIN")
        return Side({name: [dict(row) for row in conn.execute(named[name])] for name in names})
