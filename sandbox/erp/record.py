"""The sandbox's own record: a SQLite file with every write that arrived and the state it led to.

Written through before each answer, one transaction per HTTP request: what a client was told is always in
the file. State is keyed by the record number, which makes a write cheap and lets any text be a key.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from sandbox.erp.schema import SetSchema, cents
from sandbox.erp.sets import WRITABLE
from sandbox.erp.state import Row, State, canonical

Arrival = list[Any]
_HUNDREDTHS = ("_cents", "_hundredths")
_NAMED = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _queries() -> dict[str, str]:
    parts = _NAMED.split(files("sandbox.erp").joinpath("record.sql").read_text())
    return dict(zip(parts[1::2], (p.strip() for p in parts[2::2]), strict=True))


def _day(value: str | None) -> str | None:
    return value[:10] if value else None


class Record:
    """The file. One connection, one thread."""

    def __init__(self, path: Path | str, tenant: str) -> None:
        self.queries = _queries()
        self.db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-32000", "wal_autocheckpoint=4000"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.executescript(self.queries["schema"])
        self.db.execute(self.queries["add_tenant"], (tenant,))
        known = [row[0] for row in self.db.execute(self.queries["tenants"])]
        if known != [tenant]:
            self.db.close()
            raise ValueError(
                f"record {path} belongs to tenant {known[0]!r}, not {tenant!r}; use another file"
            )
        self.arrivals: list[Arrival] = []
        self._stored = {s.table: _storing(s) for s in WRITABLE}
        self._upserts = {s.table: _upsert(s) for s in WRITABLE}

    def load(self, state: State) -> None:
        """Restore the state a former run left in the file."""
        highest = state.next_rec_id - 1
        for schema in WRITABLE:
            restore, table = _restoring(schema), state.tables[schema.name]
            columns = ", ".join(schema.columns)
            for stored in self.db.execute(f"SELECT {columns} FROM {schema.table} ORDER BY rec_id"):
                fields = restore(stored)
                row = state.restored(schema, fields, stored[0], stored[1])
                table.set(canonical(tuple(fields[k] for k in schema.keys)), row)
                highest = max(highest, stored[0])
        state.next_rec_id = highest + 1
        voucher, journal = self.db.execute(self.queries["last_numbers"]).fetchone()
        state.next_voucher = int(voucher[4:]) + 1 if voucher else 1
        state.next_journal = int(journal[4:]) + 1 if journal else 1

    def periods(self) -> list[tuple[str, str, str, str]]:
        """Opened and closed periods, oldest instruction first."""
        return list(self.db.execute(self.queries["periods"]))

    def add_period(self, period: tuple[str, str, str, str]) -> None:
        """Keep one more instruction."""
        self.db.execute(self.queries["add_period"], period)

    def counts(self) -> tuple[int, int]:
        """(arrivals, effects) in the file."""
        arrivals, effects = self.db.execute(self.queries["counts"]).fetchone()
        return arrivals, effects

    def flush(self, state: State) -> None:
        """Write what the request did, in one transaction."""
        if not (self.arrivals or state.vouchers or any(state.dirty.values())):
            return
        db = self.db
        db.execute("BEGIN")
        db.executemany(self.queries["add_arrival"], self.arrivals)
        self.arrivals = []
        for table, rows in state.dirty.items():
            if rows:
                self._write(table, rows)
        if state.vouchers:
            db.executemany(self.queries["add_voucher"], state.vouchers)
            state.vouchers = []
        db.execute("COMMIT")

    def _write(self, table: str, rows: dict[int, Row | None]) -> None:
        stored = self._stored[table]
        gone = [(rec_id,) for rec_id, row in rows.items() if row is None]
        self.db.executemany(self._upserts[table], [stored(row) for row in rows.values() if row is not None])
        if gone:
            self.db.executemany(f"DELETE FROM {table} WHERE rec_id = ?", gone)
        rows.clear()

    def clear(self) -> None:
        """Forget everything but the tenant."""
        self.arrivals = []
        self.db.execute("BEGIN")
        for table in ("arrival", "voucher", "period", *(s.table for s in WRITABLE)):
            self.db.execute(f"DELETE FROM {table}")
        self.db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def _upsert(schema: SetSchema) -> str:
    marks = ", ".join("?" * len(schema.columns))
    return f"INSERT OR REPLACE INTO {schema.table} ({', '.join(schema.columns)}) VALUES ({marks})"


def _storing(schema: SetSchema) -> Callable[[Row], list[Any]]:
    """Row → column values; only money, hours and dates are stored otherwise than they are answered."""
    names = [f.name for f in schema.fields]
    converted = [
        (i + 2, _day if f.kind == "date" else cents)
        for i, f in enumerate(schema.fields)
        if f.kind == "date" or f.column.endswith(_HUNDREDTHS)
    ]

    def store(row: Row) -> list[Any]:
        fields = row.fields
        values: list[Any] = [row.rec_id, row.version]
        values += [fields[name] for name in names]
        for at, convert in converted:
            values[at] = convert(values[at])
        return values

    return store


def _restoring(schema: SetSchema) -> Callable[[tuple[Any, ...]], dict[str, Any]]:
    """Column values → fields as they are answered."""

    def restore(stored: tuple[Any, ...]) -> dict[str, Any]:
        fields = {}
        for spec, value in zip(schema.fields, stored[2:], strict=True):
            if spec.kind == "date" and value is not None:
                value = value + "T12:00:00Z"
            elif spec.column.endswith(_HUNDREDTHS):
                value = value / 100
            fields[spec.name] = value
        return fields

    return restore
