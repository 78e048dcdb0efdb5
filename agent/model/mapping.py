"""Mapping compiler → derive: a SQL view, taken apart into the statements that keep its entities up to date.

Statements are PostgreSQL text. They read captured tables as `"<mirror schema>"."<table>"` (views over the live rows of
the mirror) and take their keys from two placeholders, filled by `str.replace` with a relation name:

    {changed}   relation whose columns are the changed table's key columns, under their own names and types
    {keys}      relation whose columns are the mapping's key output names, in the mirror's types
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.model.ids import MappingName, SourceName

CHANGED = "{changed}"
KEYS = "{keys}"


@dataclass(frozen=True, slots=True)
class TableName:
    """A captured table in its source: schema and name as the source's catalogue has them."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One column of the entity key: its output name in the view and the root table's column behind it."""

    output: str
    column: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One occurrence of a table in a mapping.

    affected_sql: SELECT DISTINCT of the entity keys (aliased to the key's output names) that rows of {changed} reach; for the
    root leaf it is None, the changed keys are the affected keys. every_root: no link, so any change reaches all.
    root_link: for a leaf whose columns determine the whole entity key by equality: (key output name, leaf column)
    pairs, so that an inbox row tells its entity without the mirror; else empty.
    """

    leaf_id: str
    table: TableName
    affected_sql: str | None
    every_root: bool
    root_link: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One output of the view. `sources` are the (table, column) pairs its value is made from."""

    name: str
    sources: tuple[tuple[TableName, str], ...]


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """Everything derive needs to keep one mapping's entities true.

    view_sql: the whole view (no keys): backfill, oracle. evaluate_sql: the view for the keys in {keys} only; both yield
    `outputs` in order. read_columns: per table, the columns whose value can matter; a change of no other column does.
    required_indexes: mirror (table, columns) that the affected and evaluate statements look up by.
    """

    name: MappingName
    source: SourceName
    entity: str
    version: str
    sql: str
    root: TableName
    key: tuple[KeyColumn, ...]
    outputs: tuple[OutputColumn, ...]
    leaves: tuple[Leaf, ...]
    view_sql: str
    evaluate_sql: str
    read_columns: tuple[tuple[TableName, tuple[str, ...]], ...]
    required_indexes: tuple[tuple[TableName, tuple[str, ...]], ...]
