"""Outer joins that WHERE turns into inner ones, so that what is left outer-joined really can be missing."""

from __future__ import annotations

from sqlglot import exp

from agent.mapping.ir import Block, Query

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like)
_STRICT = (exp.Paren, exp.Cast, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Upper, exp.Lower, exp.Trim, exp.DPipe)


def reduce_outer_joins(query: Query) -> None:
    """(A LEFT JOIN B ON p) WHERE q, with q never true when B is missing, is A JOIN B ON p WHERE q."""
    for block in query.blocks.values():
        while _reduce_one(query, block):
            pass


def _reduce_one(query: Query, block: Block) -> bool:
    for join in block.left:
        if any(rejects_missing(query, term, join.source.alias) for term in block.where):
            block.left.remove(join)
            block.inner.append(join.source)
            block.where += join.on
            return True
    return False


def rejects_missing(query: Query, term: exp.Expr, alias: str) -> bool:
    """Whether the WHERE term cannot be true when every column of `alias` is NULL; False when in doubt."""
    if isinstance(term, exp.Paren):
        return rejects_missing(query, term.this, alias)
    if isinstance(term, _COMPARISONS):
        return _strict(term.this, alias) or _strict(term.expression, alias)
    if isinstance(term, exp.Between):
        return _strict(term.this, alias)
    if isinstance(term, exp.In):
        return _strict(term.this, alias)
    if isinstance(term, exp.Is) and isinstance(term.expression, exp.Null):
        return bool(term.args.get("negate")) and _strict(term.this, alias)
    if isinstance(term, exp.Not) and isinstance(term.this, exp.Is) and not term.this.args.get("negate"):
        return isinstance(term.this.expression, exp.Null) and _strict(term.this.this, alias)
    if isinstance(term, exp.Placeholder):
        block = query.blocks[term.name]
        return block.kind == "in" and any(_strict(side, alias) for side in block.in_left)
    return False


def _strict(value: exp.Expr, alias: str) -> bool:
    """Whether the value is NULL when every column of `alias` is."""
    if isinstance(value, exp.Column):
        return value.table == alias
    if not isinstance(value, _STRICT):
        return False
    sides = [value.this, value.args.get("expression")]
    return any(isinstance(side, exp.Expr) and _strict(side, alias) for side in sides)
