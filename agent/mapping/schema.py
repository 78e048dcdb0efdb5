"""The captured schema as the compiler sees it: tables, columns, keys, and how a name in a mapping finds one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.model.changes import Column, Relation
from agent.model.mapping import TableName


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One captured table."""

    name: TableName
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Primary key columns, in column order."""
        return tuple(c.name for c in self.columns if c.key)

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True)
class SourceSchema:
    """All captured tables of one source; a bare table name is looked for in `default_schema` first, then anywhere
    if just one captured schema has it."""

    tables: tuple[SourceTable, ...]
    default_schema: str = "public"
    _by_name: dict[TableName, SourceTable] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {t.name: t for t in self.tables})

    @classmethod
    def from_relations(cls, relations: Iterable[Relation], default_schema: str = "public") -> SourceSchema:
        """The schema that a capture announced; a later shape of the same table replaces the earlier."""
        tables = {
            (r.schema, r.table): SourceTable(TableName(r.schema, r.table), r.columns) for r in relations
        }
        return cls(tuple(tables.values()), default_schema)

    def find(self, schema: str | None, table: str) -> SourceTable | None:
        """The table that `schema.table` or a bare `table` names, if it is captured."""
        if schema is not None:
            return self._by_name.get(TableName(schema, table))
        found = self._by_name.get(TableName(self.default_schema, table))
        if found is None:
            others = [t for t in self.tables if t.name.table == table]
            found = others[0] if len(others) == 1 else None
        return found

    def nearest_table(self, schema: str | None, table: str) -> str | None:
        """The captured table whose name looks most like this one."""
        wanted = f"{schema or self.default_schema}.{table}"
        return nearest(wanted, [str(t.name) for t in self.tables])


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None when none is."""
    found = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.5)
    return found[0] if found else None
