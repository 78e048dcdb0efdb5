"""Which root keys a changed row reaches: one statement per leaf, made of the leaf, the root and what links them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sqlglot import exp

from agent.mapping.emit import Emitter, Terms, key_link, relation
from agent.mapping.fragment import Fragment, Step
from agent.mapping.ir import LeftJoin, Query, Source, column, equality
from agent.mapping.normalise import rejects_missing
from agent.mapping.paths import Path
from agent.model.mapping import CHANGED


@dataclass(frozen=True)
class Reach:
    """What came of a leaf: the statement, whether it has no link, and the leaf columns equal to root key columns."""

    sql: exp.Expr
    every_root: bool
    root_link: tuple[tuple[str, str], ...]


class AffectedBuilder:
    """Builds the affected statements of one query. key: (output name, root column) pairs."""

    def __init__(self, query: Query, root: Source, key: list[tuple[str, str]], emitter: Emitter) -> None:
        self.query, self.root, self.key, self.emitter = query, root, key, emitter

    def reach(self, path: Path) -> Reach:
        """The statement for one leaf."""
        fragment = Fragment()
        for frame in path.frames:
            Step(self.query, self.root, self.emitter, fragment, frame, path).run()
        every_root = fragment.broken or not self._linked(fragment, path.leaf)
        statement = self._every_root() if every_root else self._statement(fragment, path.leaf)
        link = () if every_root or fragment.choices else self._root_link(fragment, path.leaf)
        return Reach(statement, every_root, link)

    def _statement(self, fragment: Fragment, leaf: Source) -> exp.Expr:
        assert leaf.table is not None
        changed = relation(CHANGED, "_changed")
        key = leaf.table.key
        branches = [
            self._branch(fragment, [*fragment.terms, *choice, *key_link(leaf, key, "_changed", key)], changed)
            for choice in itertools.product(*fragment.choices)
        ]
        statement: exp.Expr = branches[0]
        for branch in branches[1:]:
            statement = exp.Union(this=statement, expression=branch, distinct=True)
        return statement

    def _branch(self, fragment: Fragment, terms: Terms, changed: Source) -> exp.Select:
        select = exp.Select(expressions=self._outputs(), distinct=exp.Distinct())
        inner, left, terms = reduce(self.query, [changed, *fragment.inner], fragment.left, terms)
        parts = self._parts(inner, left, terms)
        here = parts.pop(self.root.alias)
        # What has no link to the root is asked once; joined, it would be asked for each root.
        apart = [
            exp.Exists(this=self._select([exp.Literal.number(1)], *part, changed)) for part in parts.values()
        ]
        self._fill(select, here[0], here[1], [*here[2], *apart], changed)
        return select

    def _select(
        self,
        outputs: list[exp.Expr],
        inner: list[Source],
        left: list[LeftJoin],
        terms: Terms,
        changed: Source,
    ) -> exp.Select:
        select = exp.Select(expressions=outputs)
        self._fill(select, inner, left, terms, changed)
        return select

    def _fill(
        self, select: exp.Select, inner: list[Source], left: list[LeftJoin], terms: Terms, changed: Source
    ) -> None:
        self.emitter.fill_from(select, inner, left, terms, set(), first=changed if changed in inner else None)

    def _parts(
        self, inner: list[Source], left: list[LeftJoin], terms: Terms
    ) -> dict[str, tuple[list[Source], list[LeftJoin], Terms]]:
        """The sources fallen apart into what is linked, each part by an alias in it: the root for its part."""
        groups = _Groups()
        for term in terms:
            groups.join(self.query.reads(term))
        for join in left:
            reads = {a for t in join.on for a in self.query.reads(t)} - {join.source.alias}
            # An outer join that reads nothing else cannot stand in a FROM of its own.
            groups.join({join.source.alias, *(reads or {self.root.alias})})
        parts: dict[str, tuple[list[Source], list[LeftJoin], Terms]] = {}

        def part(alias: str) -> tuple[list[Source], list[LeftJoin], Terms]:
            name = next((n for n in parts if groups.same(n, alias)), alias)
            return parts.setdefault(name, ([], [], []))

        part(self.root.alias)
        for source in inner:
            part(source.alias)[0].append(source)
        for join in left:
            part(join.source.alias)[1].append(join)
        for term in terms:
            reads = self.query.reads(term)
            part(min(reads) if reads else self.root.alias)[2].append(term)
        return parts

    def _every_root(self) -> exp.Select:
        select = exp.Select(expressions=self._outputs())
        some = exp.Select(expressions=[exp.Literal.number(1)])
        some.set("from_", exp.From(this=relation(CHANGED, "_changed").node))
        self.emitter.fill_from(select, [self.root], [], [exp.Exists(this=some)], set())
        return select

    def _outputs(self) -> list[exp.Expr]:
        return [
            exp.alias_(column(self.root.alias, c), exp.to_identifier(name, quoted=True), copy=False)
            for name, c in self.key
        ]

    def _linked(self, fragment: Fragment, leaf: Source) -> bool:
        """Whether terms connect the leaf with the root."""
        groups = _Groups()
        on = [t for j in fragment.left for t in j.on]
        firsts = [choice[0] for choice in fragment.choices]
        for term in [*fragment.terms, *firsts, *on]:
            groups.join(self.query.reads(term) & fragment.aliases())
        return groups.same(leaf.alias, self.root.alias)

    def _root_link(self, fragment: Fragment, leaf: Source) -> tuple[tuple[str, str], ...]:
        groups = _Groups()
        for term in fragment.terms:
            sides = equality(term)
            if sides and all(isinstance(s, exp.Column) for s in sides):
                groups.join({(s.table, s.name) for s in sides})  # type: ignore[attr-defined]
        assert leaf.table is not None
        assert self.root.table is not None
        pairs = []
        for name, root_column in self.key:
            wanted = self.root.table.column(root_column)
            same = [
                c.name
                for c in leaf.table.columns
                if groups.same((leaf.alias, c.name), (self.root.alias, root_column))
                and wanted is not None
                and c.type_name == wanted.type_name
            ]
            if not same:
                return ()
            pairs.append((name, same[0]))
        return tuple(pairs)


def reduce(
    query: Query, inner: list[Source], left: list[LeftJoin], terms: Terms
) -> tuple[list[Source], list[LeftJoin], Terms]:
    """Outer joins that the terms make inner, so that the planner may start from the changed rows."""
    inner, left, terms = list(inner), list(left), list(terms)
    while True:
        found = next((j for j in left if any(rejects_missing(query, t, j.source.alias) for t in terms)), None)
        if found is None:
            return inner, left, terms
        left.remove(found)
        inner.append(found.source)
        terms += found.on


class _Groups:
    """Union-find over hashable things."""

    def __init__(self) -> None:
        self.parent: dict[object, object] = {}

    def find(self, item: object) -> object:
        while item in self.parent:
            item = self.parent[item]
        return item

    def join(self, items: set[object] | set[str] | set[tuple[str, str]]) -> None:
        """All of these belong together."""
        first, *rest = list(items) or [None]
        for item in rest:
            a, b = self.find(first), self.find(item)
            if a != b:
                self.parent[a] = b

    def same(self, one: object, other: object) -> bool:
        """Whether two belong together."""
        return self.find(one) == self.find(other)
