"""The same text asked of a MariaDB and, compiled, of a mirror in PostgreSQL: both answers in one form, to be compared."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
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
from agent.model.mapping import CHANGED, KEYS, CompiledMapping
from sandbox.psa.connect import Connection, execute, rows
from tests.support.mapping_strategies import literal

MIRROR = "mirror_psa"
_YEAR_0 = re.compile(r"0000-\d\d-\d\d( .*)?")
_PLAIN_PLANS = (
    "split_materialized=off,derived_merge=off,derived_with_keys=off,condition_pushdown_for_derived=off,semijoin=off,"
    "materialization=off,exists_to_in=off,subquery_cache=off,join_cache_incremental=off,join_cache_hashed=off"
)
_loads = partial(json.loads, parse_float=Decimal)


@dataclass
class Both:
    """One database on both sides. contradictions: texts to which MariaDB gives two answers, depending on its plan."""

    source: Connection
    mirror: psycopg.Connection[Any]
    relations: tuple[Relation, ...]
    contradictions: list[str] = field(default_factory=list)

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
        mirror.prepare_threshold = None  # tables of one name come and go
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

    def source_rows_unoptimised(self, sql: str) -> list[tuple[str, ...]]:
        """The same with the rewriting of sub-queries off: MariaDB has plans that give other rows than the text means."""
        execute(self.source, f"SET SESSION optimizer_switch = '{_PLAIN_PLANS}'")
        try:
            return self.source_rows(sql)
        finally:
            execute(self.source, "SET SESSION optimizer_switch = DEFAULT")

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


Key = tuple[Any, ...]


@dataclass
class Kept:
    """One mapping's state as derive would keep it, by its compiled statements over the mirror."""

    both: Both
    mapping: CompiledMapping
    state: dict[Key, list[tuple[str, ...]]] = field(default_factory=dict)

    def start(self) -> None:
        """The baseline."""
        key = ", ".join(f'"{k.column}"' for k in self.mapping.key)
        found = self.both.mirror.execute(f'SELECT {key} FROM "{MIRROR}"."{self.mapping.root}"'.encode()).fetchall()
        self.evaluate({tuple(row) for row in found})

    def affected(self, changed: Mapping[str, set[Key]]) -> set[Key]:
        """Entity keys that the changed primary keys (by table) reach now."""
        found: set[Key] = set()
        for leaf in self.mapping.leaves:
            keys = changed.get(leaf.table.table)
            if not keys:
                continue
            columns = [c for c in self.both.relation(leaf.table.table).columns if c.key]
            names = [c.name for c in columns]
            if leaf.affected_sql is None:
                found |= {tuple(k[names.index(c.column)] for c in self.mapping.key) for k in keys}
                continue
            given = _relation(names, [mirror_type(c.type_name) for c in columns], keys)
            found |= {tuple(r) for r in self.both.mirror.execute(leaf.affected_sql.replace(CHANGED, given).encode()).fetchall()}
        return found

    def evaluate(self, keys: set[Key]) -> None:
        """Replace the state of these keys."""
        for key in keys:
            self.state.pop(key, None)
        if not keys:
            return
        names, types = [k.output for k in self.mapping.key], [mirror_type(k.type_name) for k in self.mapping.key]
        text = self.mapping.evaluate_sql.replace(KEYS, _relation(names, types, keys))
        places = [[o.name for o in self.mapping.outputs].index(name) for name in names]
        for row in self.both.mirror.execute(text.encode()).fetchall():
            key = tuple(row[p] for p in places)
            assert key in keys, "evaluation yielded a key that it was not asked for"
            self.state.setdefault(key, []).append(tuple(plain(v) for v in row))

    def difference(self) -> str:
        """What the state and MariaDB's own answer to the mapping's text do not have in common; empty when they agree."""
        wanted = Counter(self.both.source_rows(self.mapping.sql))
        kept = Counter(row for rows_ in self.state.values() for row in rows_)
        missing, surplus = wanted - kept, kept - wanted
        if not missing and not surplus:
            return ""
        if kept == Counter(self.both.source_rows_unoptimised(self.mapping.sql)):
            self.both.contradictions.append(self.mapping.sql)
            return ""
        whole = Counter(self.both.mirror_rows(self.mapping.view_sql))
        fault = "keeping it" if whole == wanted else "its meaning" if whole == kept else "both keeping and meaning"
        return f"wrong is {fault}\nmissing {dict(missing)}\nsurplus {dict(surplus)}"


def follow(both: Both, kept: Sequence[Kept]) -> int:
    """Bring mirror and states up to what the source holds now, by the rows that differ; returns how many rows that were."""
    old, new, changed = {}, {}, {}
    for relation in both.relations:
        at = [i for i, c in enumerate(relation.columns) if c.key]
        key = partial(_picked, at)
        before = both.mirror.execute(f"SELECT * FROM {both.ref(relation)}".encode()).fetchall()
        now = [tuple(map(_number, r)) for r in rows(both.source, f"SELECT {_columns(relation)} FROM `{relation.table}`")]
        gone, come = Counter(map(tuple, before)) - Counter(now), Counter(now) - Counter(map(tuple, before))
        old[relation], new[relation] = {key(r) for r in gone}, list(come)
        changed[relation.table] = old[relation] | {key(r) for r in come}
    before_keys = [k.affected(changed) for k in kept]
    for relation in both.relations:
        names = [c.name for c in relation.columns if c.key]
        where = " AND ".join(f'"{n}" = %s' for n in names)
        with both.mirror.cursor() as cursor:
            cursor.executemany(f"DELETE FROM {both.ref(relation)} WHERE {where}".encode(), sorted(old[relation], key=repr))
    for relation in both.relations:
        both.insert(relation, new[relation])
    for one, keys in zip(kept, before_keys, strict=True):
        one.evaluate(keys | one.affected(changed))
    return sum(map(len, changed.values()))


def _picked(places: Sequence[int], row: Sequence[Any]) -> Key:
    return tuple(row[p] for p in places)


def _relation(names: Sequence[str], types: Sequence[str], keys: Iterable[Key]) -> str:
    columns = ", ".join(f'"{n}"' for n in names)
    listed = ", ".join(
        "(" + ", ".join(f"{literal(v)}::{t}" for v, t in zip(key, types, strict=True)) + ")" for key in sorted(keys, key=repr)
    )
    return f"(SELECT * FROM (VALUES {listed}) AS v({columns}))"
