"""The mirror's tables as they should be, and the DDL that gets them there: per captured table, rows and a live view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from agent.errors import SourceError
from agent.mirror.types import mirror_type
from agent.model.changes import Column, ForeignKey, Relation
from agent.model.mapping import TableName

_META = "_inc integer NOT NULL, _pos bigint NOT NULL, _phase smallint NOT NULL, _ord bigint NOT NULL, _deleted boolean NOT NULL"


@dataclass(frozen=True, slots=True)
class MirrorTable:
    """One mirror table as it stands. Columns in the order of the mirror, typed as the mirror has them.

    foreign_keys: of the newest shape that was told of.
    """

    stream_id: int
    source: str
    name: TableName
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def rows(self) -> str:
        """Quoted name of the table with every row, tombstones included."""
        return _quoted(rows_schema(self.source), str(self.name))

    @property
    def live(self) -> str:
        """Quoted name of the view of live rows that mappings read."""
        return _quoted(mirror_schema(self.source), str(self.name))

    @property
    def key(self) -> tuple[Column, ...]:
        """The key columns, in table order."""
        return tuple(c for c in self.columns if c.key)


def mirror_schema(source: str) -> str:
    """Schema of the live views of a source."""
    return f"mirror_{source}"


def rows_schema(source: str) -> str:
    """Schema of the row tables of a source."""
    return f"mirror_{source}_rows"


def _quoted(*parts: str) -> str:
    return ".".join('"' + p.replace('"', '""') + '"' for p in parts)


def quote(name: str) -> str:
    """A quoted SQL identifier."""
    return _quoted(name)


def load_tables(conn: psycopg.Connection[Any], stream_id: int, source: str) -> dict[TableName, MirrorTable]:
    """The mirror tables that exist for a stream."""
    rows = conn.execute(
        "SELECT schema_name, table_name, columns, foreign_keys FROM coexist.mirror_table WHERE stream_id = %s", (stream_id,)
    )
    found = {}
    for schema, table, columns, keys in rows:
        name = TableName(schema, table)
        found[name] = MirrorTable(
            stream_id, source, name, tuple(Column(**c) for c in columns), tuple(ForeignKey.read(k) for k in keys)
        )
    return found


def ensure_table(
    conn: psycopg.Connection[Any],
    stream_id: int,
    source: str,
    relation: Relation,
    present: MirrorTable | None,
) -> MirrorTable:
    """Create the table, or add what the source added; its foreign keys are those of the relation.

    Raises SourceError when a captured column changed its type or key.
    """
    name = TableName(relation.schema, relation.table)
    wanted = tuple(replace(c, type_name=mirror_type(c.type_name)) for c in relation.columns)
    if present is None:
        table = MirrorTable(stream_id, source, name, wanted, relation.foreign_keys)
        _create(conn, table)
    else:
        table = replace(_evolve(conn, present, wanted), foreign_keys=relation.foreign_keys)
        if table == present:
            return present
    conn.execute(
        "INSERT INTO coexist.mirror_table (stream_id, schema_name, table_name, columns, foreign_keys)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (stream_id, schema_name, table_name)"
        " DO UPDATE SET columns = excluded.columns, foreign_keys = excluded.foreign_keys",
        (
            stream_id, name.schema, name.table, Jsonb([asdict(c) for c in table.columns]),
            Jsonb([asdict(k) for k in table.foreign_keys]),
        ),
    )  # fmt: skip
    _view(conn, table)
    return table


def ensure_indexes(conn: psycopg.Connection[Any], tables: dict[TableName, MirrorTable],
                   required: Iterable[tuple[TableName, tuple[str, ...]]]) -> None:  # fmt: skip
    """Indexes that the mappings look up by, once each."""
    for name, columns in dict.fromkeys(required):
        table = tables.get(name)
        if table is None:
            continue
        index = f"{name}:{','.join(columns)}"[:63]
        listed = ", ".join(quote(c) for c in columns)
        _run(conn, f"CREATE INDEX IF NOT EXISTS {quote(index)} ON {table.rows} ({listed})")


def _create(conn: psycopg.Connection[Any], table: MirrorTable) -> None:
    if not table.key:
        raise SourceError(
            f"table {table.name} has no key", where=f"source {table.source}", remedy="give it a primary key"
        )
    for schema in (rows_schema(table.source), mirror_schema(table.source)):
        conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    columns = ", ".join(f"{quote(c.name)} {c.type_name}" for c in table.columns)
    key = ", ".join(quote(c.name) for c in table.key)
    # fillfactor leaves room for HOT updates; a mirror is mostly updated.
    _run(conn, f"CREATE TABLE {table.rows} ({columns}, {_META}, PRIMARY KEY ({key})) WITH (fillfactor = 85)")


def _view(conn: psycopg.Connection[Any], table: MirrorTable) -> None:
    columns = ", ".join(quote(c.name) for c in table.columns)
    _run(
        conn, f"CREATE OR REPLACE VIEW {table.live} AS SELECT {columns} FROM {table.rows} WHERE NOT _deleted"
    )


def _evolve(conn: psycopg.Connection[Any], present: MirrorTable, wanted: tuple[Column, ...]) -> MirrorTable:
    have = {c.name: c for c in present.columns}
    added = [c for c in wanted if c.name not in have]
    for column in wanted:
        old = have.get(column.name)
        if old is not None and (old.type_name != column.type_name or old.key != column.key):
            raise SourceError(
                f"column {column.name} of {present.name} changed from {old.type_name} to {column.type_name}"
                if old.type_name != column.type_name else f"the key of {present.name} changed at {column.name}",
                where=f"source {present.source}",
                remedy="begin with a new store for this source; see docs/limits.md, schema changes",
            )  # fmt: skip
    for column in added:
        _run(conn, f"ALTER TABLE {present.rows} ADD COLUMN {quote(column.name)} {column.type_name}")
    # How a source compares texts may change under it; nothing of what is stored does.
    collations = {c.name: c.collation for c in wanted}
    columns = tuple(replace(c, collation=collations.get(c.name, c.collation)) for c in present.columns)
    return replace(present, columns=columns + tuple(added))


def _run(conn: psycopg.Connection[Any], text: str) -> None:
    conn.execute(text.encode())
