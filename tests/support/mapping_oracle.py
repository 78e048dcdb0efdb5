"""Keeps a mapping's state by its compiled statements and compares it with the view evaluated from scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from agent.mapping.compile import compile_mapping
from agent.mapping.schema import SourceSchema
from agent.model.mapping import CHANGED, KEYS, CompiledMapping, TableName
from tests.support.mapping_strategies import Change, RandomMapping, RandomSchema, change_sql, literal

MIRROR = "mirror_src"
Key = tuple[Any, ...]


def mirror_ref(table: str) -> str:
    """What a source table is called in the mirror."""
    return f'"{MIRROR}"."src.{table}"'


def compiled(mapping: RandomMapping, schema: SourceSchema, consent: bool = True) -> CompiledMapping:
    """The mapping through the real compiler."""
    return compile_mapping(
        name="src.m", source="src", entity="customer", sql=mapping.sql, sql_path="m.sql", key=mapping.key,
        dialect="postgres", schema=schema, mirror_schema=MIRROR, consent_every_root=consent,
    )  # fmt: skip


def values(names: Sequence[str], types: Sequence[str], rows: Iterable[Key]) -> str:
    """A relation written out, in place of the tables that derive fills."""
    columns = ", ".join(f'"{n}"' for n in names)
    listed = ", ".join(
        "(" + ", ".join(f"{literal(v)}::{t}" for v, t in zip(row, types, strict=True)) + ")" for row in rows
    )
    return f"(SELECT * FROM (VALUES {listed}) AS v({columns}))"


@dataclass
class Maintained:
    """One mapping's state as derive would keep it: rows by entity key."""

    conn: psycopg.Connection[Any]
    schema: SourceSchema
    mapping: CompiledMapping
    state: dict[Key, list[str]] = field(default_factory=dict)

    def start(self) -> None:
        """The baseline: every root's entity by the evaluate statement."""
        key = ", ".join(f'"{k.column}"' for k in self.mapping.key)
        rows = self.conn.execute(f'SELECT {key} FROM "{MIRROR}"."{self.mapping.root}"').fetchall()
        self.evaluate({tuple(r) for r in rows})

    def affected(self, changed: dict[TableName, set[Key]]) -> set[Key]:
        """Entity keys that the changed primary keys reach now."""
        found: set[Key] = set()
        queries = []
        for leaf in self.mapping.leaves:
            keys = changed.get(leaf.table)
            if not keys:
                continue
            table = self.schema.find(leaf.table.schema, leaf.table.table)
            assert table is not None
            if leaf.affected_sql is None:
                order = [table.key.index(k.column) for k in self.mapping.key]
                found |= {tuple(key[i] for i in order) for key in keys}
                continue
            types = [c.type_name for c in table.columns if c.key]
            queries.append(
                leaf.affected_sql.replace(CHANGED, values(table.key, types, sorted(keys, key=repr)))
            )
        if queries:
            text = " UNION ".join(f"({q})" for q in queries)
            found |= {tuple(r) for r in self.conn.execute(text).fetchall()}
        return found

    def evaluate(self, keys: set[Key]) -> None:
        """Replace the state of these keys."""
        for key in keys:
            self.state.pop(key, None)
        if not keys:
            return
        names, types = [k.output for k in self.mapping.key], [k.type_name for k in self.mapping.key]
        relation = values(names, types, sorted(keys, key=repr))
        for key, row in self._rows(self.mapping.evaluate_sql.replace(KEYS, relation)):
            assert key in keys, "evaluation yielded a key that it was not asked for"
            self.state.setdefault(key, []).append(row)

    def difference(self) -> str:
        """What the state and the view from scratch do not have in common; empty when they agree."""
        wanted = Counter(self._rows(self.mapping.view_sql))
        kept = Counter((key, row) for key, rows in self.state.items() for row in rows)
        missing, surplus = wanted - kept, kept - wanted
        return f"missing {dict(missing)} surplus {dict(surplus)}" if missing or surplus else ""

    def _rows(self, sql: str) -> list[tuple[Key, str]]:
        key = ", ".join(f'v."{k.output}"' for k in self.mapping.key)
        rows = self.conn.execute(f"SELECT v::text, {key} FROM ({sql}) v").fetchall()
        return [(tuple(r[1:]), r[0]) for r in rows]


def apply_batch(
    conn: psycopg.Connection[Any], schema: RandomSchema, batch: Sequence[Change], kept: Sequence[Maintained]
) -> None:
    """Before-queries of all mappings, then all changes, then after-queries, then evaluation."""
    changed: dict[TableName, set[Key]] = {}
    for change in batch:
        table = schema.table(change.table)
        changed.setdefault(TableName("src", change.table), set()).update(change.keys(table))
    before = [m.affected(changed) for m in kept]
    if batch:
        conn.execute("; ".join(change_sql(schema, c, mirror_ref) for c in batch))
    for maintained, keys in zip(kept, before, strict=True):
        maintained.evaluate(keys | maintained.affected(changed))


def create_mirror(conn: psycopg.Connection[Any], schema: RandomSchema, rows: Iterable[Change]) -> None:
    """The schema's tables in place of the mirror's views, with these rows."""
    statements = [f'CREATE SCHEMA "{MIRROR}"', *schema.ddl(mirror_ref)]
    conn.execute("; ".join([*statements, *(change_sql(schema, c, mirror_ref) for c in rows)]))
