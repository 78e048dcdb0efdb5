"""What each output is made from, and which columns the mapping reads anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from agent.mapping.ir import Query
from agent.model.mapping import OutputColumn, TableName

Origin = tuple[TableName, str]


def outputs(query: Query) -> tuple[OutputColumn, ...]:
    """The root block's outputs with the captured columns their values are made from, in reading order."""
    return tuple(
        OutputColumn(name, tuple(dict.fromkeys(origins(query, expression))))
        for name, expression in query.root.outputs.items()
    )


def origins(query: Query, expression: exp.Expr) -> Iterator[Origin]:
    """Captured columns that the value is made from, through derived tables and scalar sub-queries."""
    for node in expression.find_all(exp.Column, bfs=False):
        _, source = query.source_of(node.table)
        if source.table is not None:
            yield source.table.name, node.name
        elif source.block is not None:
            yield from origins(query, source.block.outputs[node.name])
    for block in query.subqueries(expression):
        for value in [*block.outputs.values(), *block.in_left]:
            yield from origins(query, value)


def read_columns(query: Query) -> tuple[tuple[TableName, tuple[str, ...]], ...]:
    """Per table, in its own column order, every column that the mapping reads anywhere."""
    used: dict[TableName, set[str]] = {}
    order: dict[TableName, tuple[str, ...]] = {}
    for block in query.blocks.values():
        for source in block.sources():
            if source.table is not None:
                used.setdefault(source.table.name, set())
                order[source.table.name] = source.columns()
        for expression in [*block.slots(), *block.in_left]:
            for node in expression.find_all(exp.Column):
                _, source = query.source_of(node.table)
                if source.table is not None:
                    used.setdefault(source.table.name, set()).add(node.name)
    return tuple((t, tuple(c for c in order[t] if c in used[t])) for t in sorted(used, key=str))
