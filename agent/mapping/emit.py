"""Blocks → PostgreSQL: FROM in an order that starts from what is known, links pushed into derived tables.

A grouped derived table gets the link in its own WHERE and becomes LATERAL; `IN` becomes EXISTS. So each statement costs
what its keys cost, and not what the mirror holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from agent.mapping.ir import (
    Block,
    LeftJoin,
    Query,
    Source,
    column,
    conjunction,
    equality,
    has_subquery,
)
from agent.model.mapping import TableName

Terms = list[exp.Expr]


class Emitter:
    """Builds statements for one query and notes which columns they look tables up by."""

    def __init__(self, query: Query, mirror_schema: str) -> None:
        self.query = query
        self.mirror_schema = mirror_schema
        self.lookups: dict[tuple[TableName, frozenset[str]], tuple[str, ...]] = {}

    # ------------------------------------------------------------------------------------------------ expressions

    def expression(self, node: exp.Expr, available: set[str]) -> exp.Expr:
        """A copy of the expression with its sub-queries written out."""
        return node.transform(
            lambda n: (
                self._subquery(self.query.blocks[n.name], available) if isinstance(n, exp.Placeholder) else n
            )
        )

    def _subquery(self, block: Block, available: set[str]) -> exp.Expr:
        if block.kind == "scalar":
            return exp.Subquery(this=self.select(block, [], available))
        if block.kind == "exists":
            return exp.Exists(this=self.select(block, [], available))
        return self._in(block, available)

    def _in(self, block: Block, available: set[str]) -> exp.Expr:
        values = list(block.outputs.values())
        sides = [self.expression(side, available) for side in block.in_left]
        pushable = all(self.pushable(block, v) for v in values) and not any(map(has_subquery, block.in_left))
        matches: Terms = [
            exp.EQ(this=v.copy(), expression=s.copy()) for v, s in zip(values, sides, strict=True)
        ]
        value_nulls = any(map(self.query.nullable, values))
        side_nulls = any(map(self.query.nullable, block.in_left))
        if pushable and (block.two_valued or not (value_nulls or side_nulls)):
            return self._exists(block, matches, available)
        if not pushable or len(sides) > 1:
            left = sides[0] if len(sides) == 1 else exp.Tuple(expressions=sides)
            return exp.In(this=left, query=exp.Subquery(this=self.select(block, [], available)))
        case = exp.Case(ifs=[exp.If(this=self._exists(block, matches, available), true=exp.true())])
        if value_nulls:
            missing = self._exists(block, [_is_null(values[0])], available)
            case.append("ifs", exp.If(this=missing, true=exp.null()))
        if side_nulls:
            unknown = exp.and_(_is_null(sides[0]), self._exists(block, [], available))
            case.append("ifs", exp.If(this=unknown, true=exp.null()))
        case.set("default", exp.false())
        return exp.Paren(this=case)

    def _exists(self, block: Block, extra: Terms, available: set[str]) -> exp.Expr:
        return exp.Exists(this=self.select(block, extra, available, as_exists=True))

    def pushable(self, block: Block, value: exp.Expr) -> bool:
        """Whether a condition on this output may be applied before the block groups."""
        if has_subquery(value):
            return False
        if not block.aggregated:
            return True
        texts = {g.sql("postgres") for g in block.group}
        if value.sql("postgres") in texts:
            return True
        columns = list(value.find_all(exp.Column))
        return (
            bool(columns) and not value.find(exp.AggFunc) and all(c.sql("postgres") in texts for c in columns)
        )

    # ------------------------------------------------------------------------------------------------ blocks

    def select(self, block: Block, extra: Terms, available: set[str], as_exists: bool = False) -> exp.Select:
        """The block with `extra` terms added to its WHERE; `available` are the aliases of outer blocks in sight."""
        inside = available | {s.alias for s in block.sources()}
        select = exp.Select()
        if block.outputs and (block.aggregated or not (as_exists or block.kind == "exists")):
            outputs = [_named(self.expression(e, inside), n) for n, e in block.outputs.items()]
            select.set("expressions", outputs)
        else:
            select.set("expressions", [exp.Literal.number(1)])
        self.fill_from(select, block.inner, block.left, [*block.where, *extra], available)
        if block.group:
            select.set("group", exp.Group(expressions=[self.expression(g, inside) for g in block.group]))
        if block.having:
            terms = conjunction(self.expression(h, inside) for h in block.having)
            select.set("having", exp.Having(this=terms))
        return select

    def fill_from(
        self,
        select: exp.Select,
        inner: list[Source],
        left: list[LeftJoin],
        terms: Terms,
        available: set[str],
        first: Source | None = None,
    ) -> None:
        """FROM, joins and WHERE: inner sources linked to what is placed come first, then the outer joins."""
        placed: set[str] = set()
        waiting, open_terms = list(inner), list(terms)
        while waiting:
            source = (
                first
                if first in waiting and not placed
                else self._next(waiting, open_terms, placed | available)
            )
            assert source is not None
            waiting.remove(source)
            on = [t for t in open_terms if not has_subquery(t) and self._closed(t, source, placed, available)]
            node = self._item(source, on, placed, available)
            if not placed:
                select.set("from_", exp.From(this=node))
            else:
                open_terms = [t for t in open_terms if not any(t is used for used in on)]
                select.append("joins", self._join(node, on, placed | available | {source.alias}))
            placed.add(source.alias)
        for join in left:
            node = self._item(join.source, [t for t in join.on if not has_subquery(t)], placed, available)
            placed.add(join.source.alias)
            condition = conjunction(self.expression(t, placed | available) for t in join.on) or exp.true()
            select.append("joins", exp.Join(this=node, side="LEFT", on=condition))
        where = conjunction(self.expression(t, placed | available) for t in open_terms)
        if where is not None:
            select.set("where", exp.Where(this=where))

    def _join(self, node: exp.Expr, on: Terms, known: set[str]) -> exp.Join:
        condition = conjunction(self.expression(t, known) for t in on)
        return (
            exp.Join(this=node, on=condition) if condition is not None else exp.Join(this=node, kind="CROSS")
        )

    def _closed(self, term: exp.Expr, source: Source, placed: set[str], available: set[str]) -> bool:
        reads = self.query.reads(term)
        return source.alias in reads and reads <= placed | available | {source.alias}

    def _next(self, waiting: list[Source], terms: Terms, known: set[str]) -> Source:
        def rank(source: Source) -> float:
            links = [t for t in terms if not has_subquery(t) and self._closed(t, source, known, set())]
            penalty = 0.5 if source.block is not None else 0.0
            if any(equality(t) and len(self.query.reads(t)) > 1 for t in links):
                return penalty
            return penalty + (1 if links else 2)

        return min(waiting, key=rank)

    # ------------------------------------------------------------------------------------------------ FROM items

    def _item(self, source: Source, on: Terms, placed: set[str], available: set[str]) -> exp.Expr:
        if source.raw is not None:
            assert source.node is not None
            return source.node.copy()
        alias = exp.TableAlias(this=exp.to_identifier(source.alias, quoted=True))
        if source.table is not None:
            self._note_lookup(source, on, placed | available)
            return exp.Table(
                this=exp.to_identifier(str(source.table.name), quoted=True),
                db=exp.to_identifier(self.mirror_schema, quoted=True),
                alias=alias,
            )
        assert source.block is not None
        pushed = self._pushed(source, on, placed | available)
        body = exp.Subquery(
            this=self.select(source.block, pushed, placed | available if pushed else available)
        )
        if any(self.query.reads(t) & placed for t in pushed):
            return exp.Lateral(this=body, alias=alias)
        body.set("alias", alias)
        return body

    def _pushed(self, source: Source, on: Terms, known: set[str]) -> Terms:
        """Link terms on pushable outputs, in the derived table's own terms."""
        assert source.block is not None
        found: Terms = []
        for term in on:
            refs = self.query.refs(term)
            mine = {name for alias, name in refs if alias == source.alias}
            others = {alias for alias, _ in refs} - {source.alias}
            if (
                mine
                and others <= known
                and all(self.pushable(source.block, source.block.outputs[n]) for n in mine)
            ):
                found.append(substitute(term, source))
        return found

    def _note_lookup(self, source: Source, on: Terms, known: set[str]) -> None:
        columns: list[str] = []
        for term in on:
            sides = equality(term)
            for this, other in ((sides[0], sides[1]), (sides[1], sides[0])) if sides else ():
                reads = self.query.reads(other)
                if isinstance(this, exp.Column) and this.table == source.alias and reads and reads <= known:
                    columns.append(this.name)
        assert source.table is not None
        names, key = frozenset(columns), source.table.key
        if columns and not names >= set(key) and names != set(key[: len(names)]):
            self.lookups.setdefault((source.table.name, names), tuple(dict.fromkeys(columns)))


def substitute(term: exp.Expr, source: Source) -> exp.Expr:
    """The term with the derived table's outputs replaced by what they are made from."""
    assert source.block is not None
    outputs = source.block.outputs

    def swap(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column) or node.table != source.alias:
            return node
        value = outputs[node.name].copy()
        return value if isinstance(value, exp.Column | exp.Literal) else exp.Paren(this=value)

    return term.transform(swap)


def relation(text: str, alias: str, columns: Iterable[str] | None = None) -> Source:
    """A FROM item over a relation whose name is filled in later; with `columns`, its distinct rows of those."""
    table: exp.Expr = exp.Table(this=exp.Identifier(this=text, quoted=False))
    name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    if columns is None:
        table.set("alias", name)
        return Source(alias, raw=text, node=table)
    outputs: list[exp.Expr] = [exp.column(exp.to_identifier(c, quoted=True)) for c in columns]
    select = exp.Select(expressions=outputs, from_=exp.From(this=table), distinct=exp.Distinct())
    return Source(alias, raw=text, node=exp.Subquery(this=select, alias=name))


def key_link(source: Source, key: Iterable[str], other: str, names: Iterable[str]) -> Terms:
    """source.key = other.names, column by column."""
    return [
        exp.EQ(this=column(source.alias, k), expression=column(other, n))
        for k, n in zip(key, names, strict=True)
    ]


def _named(node: exp.Expr, name: str) -> exp.Expr:
    return exp.alias_(node, exp.to_identifier(name, quoted=True), copy=False)


def _is_null(node: exp.Expr) -> exp.Expr:
    return exp.Is(this=node.copy(), expression=exp.null())
