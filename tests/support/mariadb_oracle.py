"""The same text asked of a MariaDB and, compiled, of a mirror in PostgreSQL: both answers in one form, to be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import set_json_loads

from agent.capture.kafka.mariadb_catalogue import MariaDbCatalogue
from agent.mapping.compile import compile_mapping
from agent.mapping.schema import SourceSchema
from agent.mirror.types import mirror_type
from agent.model.changes import Relation
from agent.model.mapping import CompiledMapping
from sandbox.psa.connect import Connection, rows

MIRROR = "mirror_psa"
_YEAR_0 = re.compile(r"0000-\d\d-\d\d( .*)?")
_loads = partial(json.loads, parse_float=Decimal)


@dataclass
class Both:
    """One database on both sides. `mirror` is in a transaction that the test rolls back."""

    source: Connection
    mirror: psycopg.Connection[Any]
    relations: tuple[Relation, ...]

    @classmethod
    def of(cls, dsn: str, source: Connection, mirror: psycopg.Connection[Any], *, like: str | None = None) -> Both:
        """What the database has now, mirrored: shapes by the real catalogue, rows as the server tells them.

        like: the schema's name in the mirror, where mappings name another than the database at hand.
        """
        with closing(MariaDbCatalogue(dsn)) as catalogue:
            keyed = [r for r in catalogue.relations() if r.key_indexes]
        relations = tuple(Relation(r.ref, like or r.schema, r.table, r.columns, r.foreign_keys) for r in keyed)
        set_json_loads(_loads, mirror)
        mirror.execute("SET timezone = 'UTC'")
        mirror.execute(f'DROP SCHEMA IF EXISTS "{MIRROR}" CASCADE')
        mirror.execute(f'CREATE SCHEMA "{MIRROR}"')
        both = cls(source, mirror, relations)
        for relation in relations:
            columns = ", ".join(f'"{c.name}" {mirror_type(c.type_name)}' for c in relation.columns)
            key = ", ".join(f'"{c.name}"' for c in relation.columns if c.key)
            mirror.execute(f"CREATE TABLE {both.ref(relation)} ({columns}, PRIMARY KEY ({key}))")
            both.insert(relation, rows(source, f"SELECT {_columns(relation)} FROM `{relation.table}`"))
        return both

    @property
    def schema(self) -> SourceSchema:
        """As the compiler wants it."""
        return SourceSchema.from_relations(self.relations, self.relations[0].schema)

    def ref(self, relation: Relation) -> str:
        """The mirror's name of a table."""
        return f'"{MIRROR}"."{relation.schema}.{relation.table}"'

    def relation(self, table: str) -> Relation:
        """The shape of a table."""
        return next(r for r in self.relations if r.table == table)

    def insert(self, relation: Relation, found: Iterable[Sequence[Any]]) -> None:
        """Rows as the source has them into the mirror."""
        holders = ", ".join(["%s"] * len(relation.columns))
        values = [tuple(_number(v) for v in row) for row in found]
        with self.mirror.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {self.ref(relation)} VALUES ({holders})".encode(), values)

    def compiled(self, sql: str, key: tuple[str, ...], *, consent: bool = True) -> CompiledMapping:
        """The text through the real compiler."""
        return compile_mapping(
            name="psa.m", source="psa", entity="customer", sql=sql, sql_path="m.sql", key=key, dialect="mariadb",
            schema=self.schema, mirror_schema=MIRROR, consent_every_root=consent,
        )  # fmt: skip

    def source_rows(self, sql: str) -> list[tuple[str, ...]]:
        """What MariaDB answers to the text itself, in one form, sorted."""
        return sorted(tuple(plain(v) for v in row) for row in rows(self.source, sql))

    def mirror_rows(self, sql: str) -> list[tuple[str, ...]]:
        """What the mirror answers to a compiled statement, in the same form."""
        return sorted(tuple(plain(v) for v in row) for row in self.mirror.execute(sql.encode()).fetchall())


def plain(value: Any) -> str:
    """A value in the form in which both sides must agree: digits after the point count, the spelling of JSON does not."""
    value = _number(value)
    if isinstance(value, str) and value[:1] in "[{" and value[:1]:
        try:
            value = _loads(value)
        except ValueError:
            return f"text {value!r}"
    if isinstance(value, bool | list | dict):
        return f"json {_json(value)}"
    if isinstance(value, str) and not _YEAR_0.fullmatch(value):
        return f"text {value!r}"
    if isinstance(value, Decimal | int):
        return f"number {value:f}" if isinstance(value, Decimal) else f"number {value}"
    if isinstance(value, str):
        return repr(None)  # of what MariaDB calls the year 0 the mirror has no dates
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"datetime {value.isoformat(' ', 'microseconds')}"
    return f"date {value}" if isinstance(value, date) else repr(value)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_json(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)


def _number(value: Any) -> Any:
    """PyMySQL hands over a BIT as bytes."""
    return int.from_bytes(value, "big") if isinstance(value, bytes) and len(value) == 1 else value


def _columns(relation: Relation) -> str:
    return ", ".join(f"`{c.name}`" for c in relation.columns)
