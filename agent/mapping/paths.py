"""Every occurrence of a table in a mapping, and the way from it out to the root block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from agent.mapping.ir import Block, Query, Source


@dataclass(frozen=True)
class Frame:
    """One block on the way out. source: the FROM item that is, or holds, the leaf. sub: the sub-query block that holds
    it, used in an expression; `in_on_of` is the outer-joined alias in whose ON that expression stands."""

    block: Block
    source: Source | None = None
    sub: Block | None = None
    in_on_of: str | None = None

    def tainted(self) -> str | None:
        """The outer-joined alias whose presence depends on the leaf."""
        alias = self.source.alias if self.source is not None else self.in_on_of
        return alias if alias is not None and self.block.left_of(alias) is not None else None


@dataclass(frozen=True)
class Path:
    """A leaf with its frames, innermost first."""

    leaf: Source
    frames: tuple[Frame, ...]


def leaves(query: Query) -> list[Path]:
    """All leaves, outermost blocks first."""
    return list(_walk(query, query.root, ()))


def _walk(query: Query, block: Block, outer: tuple[Frame, ...]) -> Iterator[Path]:
    for source in block.sources():
        frame = Frame(block, source=source)
        if source.block is not None:
            yield from _walk(query, source.block, (frame, *outer))
        else:
            yield Path(source, (frame, *outer))
    for expression, on_of in _slots(block):
        yield from _in_expression(query, expression, block, on_of, outer)


def _in_expression(
    query: Query, expression: exp.Expr, block: Block, on_of: str | None, outer: tuple[Frame, ...]
) -> Iterator[Path]:
    for sub in query.subqueries(expression):
        yield from _walk(query, sub, (Frame(block, sub=sub, in_on_of=on_of), *outer))
        for side in sub.in_left:
            yield from _in_expression(query, side, block, on_of, outer)


def _slots(block: Block) -> Iterator[tuple[exp.Expr, str | None]]:
    for join in block.left:
        for term in join.on:
            yield term, join.source.alias
    for term in [*block.where, *block.outputs.values(), *block.group, *block.having]:
        yield term, None
