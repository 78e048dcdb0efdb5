"""What is refused for the type of a column: values that depend on a session's time zone, sums that depend on row order."""

from __future__ import annotations

from sqlglot import exp

from agent.mapping.ir import Query
from agent.mapping.lineage import origins
from agent.mapping.problems import Problems

_FLOATS = ("real", "double precision")
_ZONED = "timestamp with time zone"
# Each of these prints, cuts or moves a moment by the session's TimeZone; the source's and the store's need not agree.
_BY_ZONE = (exp.Cast, exp.Extract, exp.TimestampTrunc, exp.TimeToStr, exp.DPipe, exp.Concat, exp.ConcatWs, exp.Add, exp.Sub,
            exp.GroupConcat, exp.JSONArrayAgg, exp.Anonymous)  # fmt: skip


def check_types(query: Query, problems: Problems) -> None:
    """Refuse unstable uses of timestamptz and floating-point columns."""
    for block in query.blocks.values():
        for expression in block.slots():
            for node in expression.find_all(exp.Column):
                _check(query, node, problems)


def _check(query: Query, node: exp.Column, problems: Problems) -> None:
    types = _types(query, node)
    above = _ancestors(node)
    if _ZONED in types and any(isinstance(a, _BY_ZONE) for a in above) and not _zone_given(above):
        problems.refuse(
            f"{node.name} is a timestamp with time zone: what it prints or computes depends on the session's time zone",
            "write (column AT TIME ZONE 'UTC') first", node,
        )  # fmt: skip
    summed = any(isinstance(a, exp.Sum | exp.Avg) for a in above) and not any(
        isinstance(a, exp.Cast) for a in above
    )
    if summed and types & set(_FLOATS):
        problems.refuse(
            f"a sum of {node.name} ({', '.join(sorted(types))}) depends on the order of the rows",
            "cast it to numeric before summing", node,
        )  # fmt: skip


def _zone_given(above: list[exp.Expr]) -> bool:
    zone = next((i for i, a in enumerate(above) if isinstance(a, exp.AtTimeZone)), None)
    return zone is not None and not any(isinstance(a, _BY_ZONE) for a in above[:zone])


def _ancestors(node: exp.Expr) -> list[exp.Expr]:
    found: list[exp.Expr] = []
    parent = node.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found


def _types(query: Query, node: exp.Column) -> set[str]:
    _, source = query.source_of(node.table)
    if source.table is not None:
        column = source.table.column(node.name)
        return {_base(column.type_name)} if column is not None else set()
    assert source.block is not None
    value = source.block.outputs[node.name]
    if isinstance(value, exp.Column):
        return _types(query, value)
    if isinstance(value, exp.Cast | exp.Extract | exp.TimeToStr | exp.AtTimeZone | exp.Count):
        return set()
    tables = {
        s.table.name: s.table for b in query.blocks.values() for s in b.sources() if s.table is not None
    }
    columns = [tables[table].column(name) for table, name in origins(query, value)]
    return {_base(c.type_name) for c in columns if c is not None}


def _base(type_name: str) -> str:
    """The type without its precision: timestamp(3) with time zone is timestamp with time zone."""
    head, _, tail = type_name.partition("(")
    return (head + tail.partition(")")[2]).strip() if tail else head
