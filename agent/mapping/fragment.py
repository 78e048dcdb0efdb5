"""The way of one leaf to the root, block by block: which sources link it, and which terms may be kept.

From the leaf outwards, each block adds the sources that its link needs, in their original join types, the leaf itself INNER. A
term is kept only if it reads just those sources, has no sub-query, and does not read a source whose being there depends
on the leaf: such a row leaves the view exactly when the term says so.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from sqlglot import exp

from agent.mapping.emit import Emitter, Terms, substitute
from agent.mapping.ir import Block, LeftJoin, Query, Source, equality, has_subquery
from agent.mapping.paths import Frame, Path

_IN_FRAGMENT = "\0fragment"
_EQUALITY_COST, _OTHER_COST = 1, 50


@dataclass
class Fragment:
    """The flat statement as it grows.

    choices: for every IN whose NULLs matter, the terms of which one must hold. needs: aliases of blocks further out
    that kept outer joins read. inlined: derived tables on the way, whose blocks the fragment holds. broken: something
    needed cannot be placed, so the leaf counts as unlinked.
    """

    inner: list[Source] = field(default_factory=list)
    left: list[LeftJoin] = field(default_factory=list)
    terms: Terms = field(default_factory=list)
    pending: Terms = field(default_factory=list)
    choices: list[Terms] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    inlined: dict[str, Source] = field(default_factory=dict)
    broken: bool = False

    def aliases(self) -> set[str]:
        """Everything placed."""
        return {s.alias for s in self.inner} | {j.source.alias for j in self.left}


class Step:
    """One block on the way out: what of it goes into the fragment."""

    def __init__(
        self, query: Query, root: Source, emitter: Emitter, fragment: Fragment, frame: Frame, path: Path
    ) -> None:
        self.query, self.root, self.fragment, self.frame, self.path = (
            query,
            root,
            fragment,
            frame,
            path,
        )
        self.pushable = emitter.pushable
        self.block = frame.block
        self.is_root = frame.block is query.root
        self.sources = {s.alias: s for s in self.block.sources()}
        self.tainted = frame.tainted()
        self.derived = frame.source if frame.source is not None and frame.source.block is not None else None

    def run(self) -> None:
        """Choose sources and terms, move them into the fragment."""
        if self.derived is not None:
            self.fragment.inlined[self.derived.alias] = self.derived
        if self.frame.sub is not None:
            self._match_in(self.frame.sub)
        terms = self._candidates()
        start = self._start(terms)
        targets = self._targets(terms)
        chosen = self._choose(start, targets, terms)
        if self.is_root:
            chosen.add(self.root.alias)
        chosen |= {a for a in start if a != _IN_FRAGMENT}
        chosen = self._close(chosen)
        self._move(chosen, terms)

    # ------------------------------------------------------------------------------------------------ terms

    def _match_in(self, sub: Block) -> None:
        """`x IN (SELECT y …)`: y = x links, and NULLs too where UNKNOWN is not simply false."""
        if sub.kind != "in":
            return
        for side, value in zip(sub.in_left, sub.outputs.values(), strict=True):
            inlined = self._inline(value)
            if has_subquery(side) or inlined is None or not self._steady(sub, value):
                continue
            if self.query.reads(inlined) & {s.alias for s in sub.sources()} - self.fragment.aliases():
                continue
            equal = exp.EQ(this=inlined.copy(), expression=side.copy())
            nulls = [] if sub.two_valued else [v for v in (inlined, side) if self.query.nullable(v)]
            if not nulls:
                self.fragment.pending.append(equal)
            else:
                self.fragment.choices.append(
                    [equal, *(exp.Is(this=v.copy(), expression=exp.null()) for v in nulls)]
                )

    def _inline(self, term: exp.Expr) -> exp.Expr | None:
        """The term with outputs of the derived tables on the way replaced by what they are made from.

        None when one of them may not link, or reads a source that the fragment does not hold.
        """
        while True:
            source = next(
                (self.fragment.inlined[a] for a in self.query.reads(term) if a in self.fragment.inlined), None
            )
            if source is None:
                return term
            block = source.block
            assert block is not None
            own = {s.alias for s in block.sources()}
            placed = self.fragment.aliases() | set(self.fragment.inlined)
            for alias, name in self.query.refs(term):
                if alias == source.alias:
                    value = block.outputs[name]
                    if not self._steady(block, value) or not self.query.reads(value) & own <= placed:
                        return None
            term = substitute(term, source)

    def _steady(self, block: Block, value: exp.Expr) -> bool:
        """Whether an output may link: known before grouping, and from INNER sources only."""
        if not self.pushable(block, value):
            return False
        return not any(block.left_of(alias) for alias in self.query.reads(value))

    def _candidates(self) -> Terms:
        terms = [
            t for t in self.block.where if self.tainted is None or self.tainted not in self.query.reads(t)
        ]
        join = self.block.left_of(self.tainted) if self.tainted is not None else None
        if join is not None:
            terms += join.on
        found: Terms = []
        for term in [*(t for t in terms if not has_subquery(t)), *self.fragment.pending]:
            inlined = self._inline(term)
            if inlined is not None:
                found.append(inlined)
        self.fragment.pending = []
        return found

    # ------------------------------------------------------------------------------------------------ sources

    def _nodes(self, term: exp.Expr) -> set[str]:
        """The term's sources in this block, and the fragment as one more node."""
        reads = self.query.reads(term)
        mine = {a for a in reads if a in self.sources and a != (self.derived.alias if self.derived else None)}
        return mine | ({_IN_FRAGMENT} if reads & self.fragment.aliases() else set())

    def _start(self, terms: Terms) -> set[str]:
        if self.frame.source is not None and self.derived is None:
            return {self.frame.source.alias}
        needed = {a for choice in self.fragment.choices for t in choice for a in self.query.reads(t)}
        return {_IN_FRAGMENT} | ((needed | self.fragment.needs) & set(self.sources))

    def _targets(self, terms: Terms) -> set[str]:
        if self.is_root:
            return {self.root.alias}
        outside = [t for t in terms if self._outer(t)]
        targets = {a for t in outside for a in self._nodes(t)}
        for output in self._linking_outputs():
            if self._steady(self.block, output):
                targets |= self._nodes(output)
        return targets - {_IN_FRAGMENT}

    def _outer(self, term: exp.Expr) -> bool:
        return bool(self.query.reads(term) - set(self.sources) - self.fragment.aliases())

    def _linking_outputs(self) -> list[exp.Expr]:
        """Outputs by which the enclosing block may link this one."""
        if self.block.kind == "in":
            return list(self.block.outputs.values())
        if self.block.kind != "derived":
            return []
        number = self.path.frames.index(self.frame)
        parent = self.path.frames[number + 1]
        assert parent.source is not None
        used = {n for e in parent.block.slots() for a, n in self.query.refs(e) if a == parent.source.alias}
        return [e for n, e in self.block.outputs.items() if n in used]

    def _edges(self, terms: Terms) -> list[tuple[int, set[str]]]:
        edges = []
        for term in terms:
            edges.append((_EQUALITY_COST if equality(term) else _OTHER_COST, self._nodes(term)))
        for join in self.block.left:
            alias = join.source.alias
            if alias != self.tainted and self._usable(join):
                for term in join.on:
                    cost = _EQUALITY_COST if equality(term) else _OTHER_COST
                    edges.append((cost + 1, self._nodes(term) | {alias}))
        return [(cost, nodes) for cost, nodes in edges if len(nodes) > 1]

    def _usable(self, join: LeftJoin) -> bool:
        """Whether an outer join can be kept as it is: its ON reads nothing that the leaf may bring or take."""
        banned = {self.tainted} | ({self.derived.alias} if self.derived else set())
        reads = {a for t in join.on for a in self.query.reads(t)}
        if reads & banned:
            return False
        others = [j for j in self.block.left if j.source.alias in reads and j is not join]
        return all(self._usable(j) for j in others)

    def _correlated(self, alias: str) -> bool:
        """Whether a derived table reads blocks further out: it cannot stand beside them in one FROM."""
        block = self.sources[alias].block
        return block is not None and bool(self.query.outer_refs(block))

    def _choose(self, start: set[str], targets: set[str], terms: Terms) -> set[str]:
        """Sources on the cheapest ways from the start to each target that can be reached."""
        usable = {a for a in self.sources if a == self.tainted or not self.block.left_of(a)}
        usable |= {
            j.source.alias for j in self.block.left if j.source.alias != self.tainted and self._usable(j)
        }
        usable = {a for a in usable if not self._correlated(a)} | {_IN_FRAGMENT}
        came: dict[str, str | None] = dict.fromkeys(start)
        queue = [(0, node) for node in sorted(start)]
        best = dict.fromkeys(start, 0)
        edges = self._edges(terms)
        while queue:
            cost, node = heapq.heappop(queue)
            if cost > best[node]:
                continue
            for price, nodes in edges:
                for other in sorted(nodes & usable) if node in nodes else ():
                    if cost + price < best.get(other, 1 << 30):
                        best[other], came[other] = cost + price, node
                        heapq.heappush(queue, (cost + price, other))
        chosen: set[str] = set()
        for target in targets & set(came):
            step: str | None = target
            while step is not None:
                chosen.add(step)
                step = came[step]
        return chosen - {_IN_FRAGMENT}

    def _close(self, chosen: set[str]) -> set[str]:
        """With every kept outer join, the sources that its ON reads."""
        while True:
            kept = [j for j in self.block.left if j.source.alias in chosen and j.source.alias != self.tainted]
            more = {a for j in kept for t in j.on for a in self.query.reads(t) if a in self.sources} - chosen
            if not more:
                return chosen
            chosen |= more

    def _move(self, chosen: set[str], terms: Terms) -> None:
        derived = self.derived.alias if self.derived else None
        here = chosen - {derived}
        kept = [j for j in self.block.left if j.source.alias in here and j.source.alias != self.tainted]
        outer_joined = {j.source.alias for j in kept}
        self.fragment.inner += [s for a, s in self.sources.items() if a in here and a not in outer_joined]
        self.fragment.left[:0] = kept
        self.fragment.broken |= any(self._correlated(a) for a in here)
        known = self.fragment.aliases()
        self.fragment.needs |= {a for j in kept for t in j.on for a in self.query.reads(t)}
        self.fragment.needs -= known
        self.fragment.broken |= self.is_root and bool(self.fragment.needs)
        for term in terms:
            missing = self.query.reads(term) - known
            if not missing:
                self.fragment.terms.append(term)
            elif not missing & set(self.sources) and not self.is_root:
                self.fragment.pending.append(term)
