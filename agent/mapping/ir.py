"""The compiler's own form of a mapping: blocks (one SELECT each), their sources, and expressions without nested SELECTs.

In an expression every sub-query predicate or value is a `Placeholder` that names its block, and every column is
`alias.column` with an alias that is unique in the whole mapping, so that parts of different blocks fit into one statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from agent.mapping.schema import SourceTable

Ref = tuple[str, str]  # (unique alias, column)


@dataclass(eq=False)
class Source:
    """A FROM item: a captured table, a derived table (`block`), or a relation given as text (`raw`)."""

    alias: str
    table: SourceTable | None = None
    block: Block | None = None
    raw: str | None = None
    node: exp.Expr | None = None

    def columns(self) -> tuple[str, ...]:
        """Names of the columns it offers."""
        if self.table is not None:
            return tuple(c.name for c in self.table.columns)
        return tuple(self.block.outputs) if self.block is not None else ()


@dataclass(eq=False)
class LeftJoin:
    """An outer-joined source with its ON terms."""

    source: Source
    on: list[exp.Expr]


@dataclass(eq=False)
class Block:
    """One SELECT: σ where ((inner sources × …) LEFT JOIN left…). All INNER conditions stand in `where`.

    kind: how its parent uses it. For `in`: the left side, and whether UNKNOWN counts as false there (`two_valued`).
    """

    name: str
    kind: Literal["root", "derived", "scalar", "exists", "in"]
    parent: Block | None
    node: exp.Expr
    inner: list[Source] = field(default_factory=list)
    left: list[LeftJoin] = field(default_factory=list)
    where: list[exp.Expr] = field(default_factory=list)
    outputs: dict[str, exp.Expr] = field(default_factory=dict)
    group: list[exp.Expr] = field(default_factory=list)
    having: list[exp.Expr] = field(default_factory=list)
    aggregated: bool = False
    in_left: list[exp.Expr] = field(default_factory=list)
    two_valued: bool = True

    def sources(self) -> list[Source]:
        """All FROM items, inner ones first."""
        return [*self.inner, *(j.source for j in self.left)]

    def left_of(self, alias: str) -> LeftJoin | None:
        """The outer join that brings in `alias`, if it is outer-joined here."""
        return next((j for j in self.left if j.source.alias == alias), None)

    def slots(self) -> Iterator[exp.Expr]:
        """Every expression of the block itself (not of its sub-blocks)."""
        yield from self.where
        for join in self.left:
            yield from join.on
        yield from self.outputs.values()
        yield from self.group
        yield from self.having


@dataclass(eq=False)
class Query:
    """A whole mapping: the root block and every block by name."""

    root: Block
    blocks: dict[str, Block]

    def subqueries(self, expression: exp.Expr) -> list[Block]:
        """Blocks that the expression uses directly."""
        return [self.blocks[p.name] for p in expression.find_all(exp.Placeholder)]

    def refs(self, expression: exp.Expr) -> set[Ref]:
        """Columns the expression reads, with those that its sub-queries read of blocks outside themselves."""
        found = {(c.table, c.name) for c in expression.find_all(exp.Column)}
        for block in self.subqueries(expression):
            found |= self.outer_refs(block)
            for side in block.in_left:
                found |= self.refs(side)
        return found

    def reads(self, expression: exp.Expr) -> set[str]:
        """Aliases the expression reads."""
        return {alias for alias, _ in self.refs(expression)}

    def outer_refs(self, block: Block) -> set[Ref]:
        """Columns of blocks outside `block` that it reads: what it is correlated by."""
        own = {s.alias for s in block.sources()}
        found: set[Ref] = set()
        for expression in block.slots():
            found |= self.refs(expression)
        for source in block.sources():
            if source.block is not None:
                found |= self.outer_refs(source.block)
        return {ref for ref in found if ref[0] not in own}

    def source_of(self, alias: str) -> tuple[Block, Source]:
        """The block and the source that define an alias."""
        for block in self.blocks.values():
            for source in block.sources():
                if source.alias == alias:
                    return block, source
        raise KeyError(alias)

    def nullable(self, expression: exp.Expr) -> bool:
        """Whether the value can be NULL; True when in doubt. An outer-joined NOT NULL column can be."""
        if isinstance(expression, exp.Paren):
            return self.nullable(expression.this)
        if isinstance(expression, exp.Literal | exp.Count):
            return False
        if isinstance(expression, exp.Coalesce):
            return all(self.nullable(e) for e in [expression.this, *expression.expressions])
        if not isinstance(expression, exp.Column):
            return True
        block, source = self.source_of(expression.table)
        if block.left_of(source.alias) is not None:
            return True
        if source.table is not None:
            column = source.table.column(expression.name)
            return column is None or not (column.not_null or column.key)
        assert source.block is not None
        return self.nullable(source.block.outputs[expression.name])


def has_subquery(expression: exp.Expr) -> bool:
    """Whether a sub-query stands anywhere in the expression."""
    return expression.find(exp.Placeholder) is not None


def column(alias: str, name: str) -> exp.Column:
    """A qualified column, quoted."""
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(alias, quoted=True))


def conjuncts(expression: exp.Expr | None) -> list[exp.Expr]:
    """The terms of a conjunction."""
    if expression is None:
        return []
    if isinstance(expression, exp.Paren):
        return conjuncts(expression.this)
    if isinstance(expression, exp.And):
        return conjuncts(expression.this) + conjuncts(expression.expression)
    if isinstance(expression, exp.Boolean) and expression.this:
        return []
    return [expression]


def equality(expression: exp.Expr) -> tuple[exp.Expr, exp.Expr] | None:
    """Both sides of `a = b`."""
    return (expression.this, expression.expression) if isinstance(expression, exp.EQ) else None


def conjunction(terms: Iterable[exp.Expr]) -> exp.Expr | None:
    """The terms joined by AND, or None when there are none."""
    parts = list(terms)
    return exp.and_(*parts, copy=True) if parts else None
