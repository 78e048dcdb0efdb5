"""Affected entities: through every leaf of every mapping, as the mirror stands. Called before the merge and after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import psycopg

from agent.derive.tables import MappingTables, quote
from agent.model.mapping import CHANGED, Leaf, TableName


class Staged(Protocol):
    """A table's changed keys, as the mirror staged them."""

    @property
    def staged(self) -> str: ...
    @property
    def last_txn(self) -> int: ...
    @property
    def key_columns(self) -> tuple[str, ...]: ...
    @property
    def name(self) -> TableName: ...


class Affected:
    """Marks the dirty tables of all mappings of one source."""

    def __init__(
        self, conn: psycopg.Connection[Any], tables: Iterable[MappingTables], own: dict[str, frozenset[str]]
    ) -> None:
        self._conn = conn
        self._own = own  # mapping → own tables ("schema.table"); none listed: every table is own
        self._tables = list(tables)
        self._by_table: dict[TableName, list[tuple[MappingTables, Leaf]]] = {}
        for table in self._tables:
            for leaf in table.mapping.leaves:
                self._by_table.setdefault(leaf.table, []).append((table, leaf))

    def touched(self, staged: Iterable[Staged]) -> list[MappingTables]:
        """Mappings that a batch can reach at all, masters first: whoever refers to them finds the ids they have got."""
        found = {id(t) for part in staged for t, _ in self._by_table.get(part.name, ())}
        return [t for t in self._tables if id(t) in found]

    def mark(self, staged: Iterable[Staged], *, after: bool) -> None:
        """Add the entity keys that the staged rows reach now."""
        for part in staged:
            for tables, leaf in self._by_table.get(part.name, ()):
                if leaf.affected_sql is None:
                    if not after:
                        text = tables.text("mark_root", staged=part.staged)
                        self._conn.execute(text, prepare=True)
                elif leaf.every_root:
                    self._every_root(tables, part, leaf)
                else:
                    self._through(tables, part, leaf)

    def _through(self, tables: MappingTables, part: Staged, leaf: Leaf) -> None:
        assert leaf.affected_sql is not None
        linked = _attributable(leaf, part)
        self._conn.execute(
            tables.mark_affected(leaf.affected_sql.replace(CHANGED, part.staged)),
            {"txn": 0 if linked else part.last_txn, "own": self._is_own(tables, leaf)}, prepare=True,
        )  # fmt: skip
        if linked:
            text = tables.text(
                "attribute", staged=part.staged,
                linked_columns=", ".join(dict.fromkeys(f"f.{quote(column)}" for _, column in leaf.root_link)),
                link=" AND ".join(f"d.{quote(key)} = f.{quote(column)}" for key, column in leaf.root_link),
            )  # fmt: skip
            self._conn.execute(text, prepare=True)

    def _every_root(self, tables: MappingTables, part: Staged, leaf: Leaf) -> None:
        self._conn.execute(
            tables.text("mark_every_root"), {"txn": part.last_txn, "own": self._is_own(tables, leaf)}
        )

    def _is_own(self, tables: MappingTables, leaf: Leaf) -> bool:
        own = self._own.get(tables.mapping.name, frozenset())
        return not own or str(leaf.table) in own


def _attributable(leaf: Leaf, part: Staged) -> bool:
    """Can a staged row alone say which entity it belongs to? Then the entity is attributed to exactly its transaction."""
    return bool(leaf.root_link) and {column for _, column in leaf.root_link} <= set(part.key_columns)
