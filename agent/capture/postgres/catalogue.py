"""What a source's catalogue says: captured tables, their columns, types' names, publication, slot."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, LiteralString, NamedTuple

import psycopg

from agent.capture.postgres import wire
from agent.capture.postgres.pgoutput import WireRelation
from agent.model.changes import Column, Relation
from agent.store.queries import queries

_SQL = queries("agent.capture.postgres", "catalogue")

TableNames = tuple[tuple[str, str], ...]


class CapturedTable(NamedTuple):
    """One wanted table. relation: None when there is no such table. kind: r ordinary, p partitioned.
    has_key: its replica identity names columns, or it is FULL beside a primary key."""

    schema: str
    table: str
    relation: Relation | None
    kind: str
    identity: str
    has_key: bool


class Server(NamedTuple):
    """The source's server as far as capture cares."""

    version: int
    wal_level: str
    standby: bool
    database: str
    may_replicate: bool
    slots_allowed: int
    slots_used: int


class Catalogue:
    """Answers from one ordinary connection, opened when first needed and again when it broke."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.Connection | None = None
        self._types: dict[tuple[int, int], str] = {}

    def close(self) -> None:
        """Release the connection; the next question opens another."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def ask(self, name: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one named statement. Raises SourceError, SourceUnavailable."""
        return self.query(_SQL[name], parameters)

    def query(
        self, text: LiteralString, parameters: Sequence[Any] | dict[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Rows of any statement that only reads. Raises SourceError, SourceUnavailable."""
        for again in (True, False):
            fresh = self._conn is None
            try:
                if self._conn is None:
                    self._conn = wire.connect(self._dsn)
                return self._conn.execute(text, parameters).fetchall()
            except psycopg.Error as error:
                self.close()
                # A connection that lay idle may have died long ago; one that is new may not.
                if fresh or not again or not isinstance(error, psycopg.OperationalError):
                    raise wire.translated(error, self._dsn) from None
        raise AssertionError("unreachable")

    def server(self) -> Server:
        """Raises SourceError, SourceUnavailable."""
        return Server(*self.ask("server")[0])

    def tables(self, names: TableNames) -> tuple[CapturedTable, ...]:
        """The wanted tables in their given order, missing ones too."""
        rows = self.ask(
            "captured_columns", {"schemas": [s for s, _ in names], "tables": [t for _, t in names]}
        )
        return tuple(_table(list(group)) for _, group in groupby(rows, key=lambda row: row[:2]))

    def describe(self, message: WireRelation) -> Relation:
        """A relation message with its types' names. Key flags are the message's own (they held when the row
        was written), except under a full identity, where every column is flagged and the primary key tells
        rows apart."""
        now = {name: (not_null, key) for name, not_null, key in self.ask("relation_columns", (message.oid,))}
        names = self._type_names([(c.type_oid, c.type_mod) for c in message.columns])
        columns = tuple(
            Column(
                name=c.name,
                type_name=type_name,
                key=now.get(c.name, (False, False))[1] if message.identity == "f" else c.key,
                not_null=now.get(c.name, (False, False))[0],
            )
            for c, type_name in zip(message.columns, names, strict=True)
        )
        return Relation(message.oid, message.schema, message.table, columns)

    def filenodes(self, refs: Sequence[int]) -> list[tuple[Any, ...]]:
        """Which files hold these tables: another answer means that one was rewritten or truncated in
        between."""
        return self.ask("filenodes", (list(refs),))

    def slot(self, name: str) -> dict[str, Any] | None:
        """The slot's row of pg_replication_slots, with `confirmed` as an integer LSN; None when there is
        none."""
        rows = self.ask("slot", (name,))
        if not rows:
            return None
        slot: dict[str, Any] = rows[0][0]
        slot["confirmed"] = int(slot["confirmed"]) if slot["confirmed"] is not None else None
        return slot

    def _type_names(self, wanted: list[tuple[int, int]]) -> list[str]:
        missing = [t for t in dict.fromkeys(wanted) if t not in self._types]
        if missing:
            rows = self.ask("type_names", ([oid for oid, _ in missing], [mod for _, mod in missing]))
            # '???': the type was dropped since; its values are still texts.
            self._types.update(
                {t: "text" if n == "???" else n for t, (n,) in zip(missing, rows, strict=True)}
            )
        return [self._types[t] for t in wanted]


def _table(rows: list[tuple[Any, ...]]) -> CapturedTable:
    schema, table, oid, kind, identity, has_key = rows[0][:6]
    if oid is None:
        return CapturedTable(schema, table, None, "", "", False)
    columns = tuple(Column(*row[6:10]) for row in rows if row[6] is not None)
    return CapturedTable(schema, table, Relation(oid, schema, table, columns), kind, identity, has_key)


def all_tables(dsn: str) -> list[tuple[str, str]]:
    """(schema, table) of every ordinary table the source has. Raises SourceError, SourceUnavailable."""
    catalogue = Catalogue(dsn)
    try:
        return [(row[0], row[1]) for row in catalogue.ask("all_tables")]
    finally:
        catalogue.close()
