"""What a source did to children by its foreign keys, told again row by row (pure).

The events of a batch are gone through in their order over the rows of the mirror that they can meet, and every action gives
an effect at the place of the row change that set it off. Effects are then folded with the captured changes like one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.mirror.foreign_keys import Graph, Link, Met, Values
from agent.model.mapping import TableName

Stamp = tuple[int, int, int, int]  # incarnation, position, phase, ordinal: which image of a row is the later one


class Event(NamedTuple):
    """A captured change of a table that foreign keys touch. old/new: of its Shape; *_key: as the source spelled the key."""

    stamp: Stamp
    txn_no: int
    table: TableName
    op: str
    old: Values | None
    new: Values | None
    old_key: Values | None
    new_key: Values | None

    @property
    def seq(self) -> int:
        """Its number in the inbox."""
        return self.stamp[3]


class Standing(NamedTuple):
    """A live row of the mirror before the batch."""

    table: TableName
    values: Values
    stamp: Stamp


class Effect(NamedTuple):
    """What one captured change did to one row of another table. key: before; new_key and values (column → value): after."""

    table: TableName
    seq: int
    txn_no: int
    op: str  # d or u
    key: Values
    new_key: Values
    values: dict[str, str | None]


@dataclass(eq=False, slots=True)
class _Row:
    table: TableName
    values: tuple[str | None, ...]
    key: tuple[str | None, ...]  # as it was spelled last
    stamp: Stamp


@dataclass(slots=True)
class _Touched:
    """What one event has done to a row so far."""

    key: Values
    values: dict[str, str | None] = field(default_factory=dict)
    how: str = ""


class Carrier:
    """Carries out the actions of one batch, and counts the rows they changed."""

    def __init__(self, graph: Graph, standing: Iterable[Standing]) -> None:
        self._graph = graph
        self._rows: dict[TableName, dict[tuple[str | None, ...], _Row]] = {name: {} for name in graph.shapes}
        self._referring: dict[Link, dict[Met, dict[_Row, None]]] = {link: {} for link in graph.links}
        self.effects: list[Effect] = []
        self.counts: Counter[str] = Counter()
        for table, values, stamp in standing:
            keys = graph.shapes[table].keys
            self._put(_Row(table, tuple(values), tuple(values[:keys]), stamp))

    def apply(self, event: Event) -> None:
        """The next captured change, and what it set off."""
        if event.op == "t":
            for row in list(self._rows[event.table].values()):
                self._drop(row)
            return
        before = self._leave(event)
        if event.new is not None:
            self._come(event)
        if before is not None and event.table in self._graph.acting:
            self._act(event, before)

    def _leave(self, event: Event) -> Values | None:
        """Takes the row's old image away; returns it where one can have been referred to."""
        if event.op not in ("u", "d"):
            return None
        image = event.old or event.new
        assert image is not None
        row = self._rows[event.table].get(self._graph.shapes[event.table].identity(image))
        if row is not None and row.stamp < event.stamp:
            self._drop(row)
        return event.old

    def _come(self, event: Event) -> None:
        assert event.new is not None
        assert event.new_key is not None
        there = self._rows[event.table].get(self._graph.shapes[event.table].identity(event.new))
        if there is None or there.stamp < event.stamp:
            self._put(_Row(event.table, tuple(event.new), tuple(event.new_key), event.stamp))

    # ------------------------------------------------------------------------------------------------ actions

    def _act(self, event: Event, before: Values) -> None:
        touched: dict[_Row, _Touched] = {}
        work: list[tuple[TableName, Values, Values | None]] = [(event.table, before, event.new)]
        while work:
            table, was, now = work.pop()
            for link in self._graph.acting.get(table, ()):
                action, gone = _action(link, was, now), now is None
                value = link.referred(was) if action != "none" else None
                if value is None:
                    continue
                for row in [r for r in self._referring[link].get(value, ()) if r.stamp <= event.stamp]:
                    done = touched.setdefault(row, _Touched(row.key))
                    old = row.values
                    self._drop(row)
                    if gone and action == "cascade":
                        done.how = "cascaded_deletes"
                        work.append((row.table, old, None))
                        continue
                    done.how = "cascaded_nulls" if action == "set null" else "cascaded_updates"
                    self._change(row, link, done, was, now if action == "cascade" else None, event)
                    work.append((row.table, old, row.values))
        for row, done in touched.items():
            self.counts[done.how] += 1
            op = "d" if done.how == "cascaded_deletes" else "u"
            self.effects.append(Effect(row.table, event.seq, event.txn_no, op, done.key, row.key, done.values))

    def _change(self, row: _Row, link: Link, done: _Touched, was: Values, now: Values | None, event: Event) -> None:
        """Set the columns of a key to NULL, or those that the parent changed to what it has now."""
        values, key = list(row.values), list(row.key)
        for at, parent_at, column in zip(link.child_at, link.parent_at, link.columns, strict=True):
            if now is not None and now[parent_at] == was[parent_at]:
                continue  # the child may have spelled it otherwise, and that stays
            values[at] = done.values[column] = None if now is None else now[parent_at]
            if at < len(key):
                key[at] = values[at]
        row.values, row.key, row.stamp = tuple(values), tuple(key), event.stamp
        self._put(row)

    # ------------------------------------------------------------------------------------------------ rows

    def _put(self, row: _Row) -> None:
        rows = self._rows[row.table]
        identity = self._graph.shapes[row.table].identity(row.values)
        there = rows.get(identity)
        if there is not None:
            self._drop(there)
        rows[identity] = row
        for link in self._graph.children.get(row.table, ()):
            value = link.refers_to(row.values)
            if value is not None:
                self._referring[link].setdefault(value, {})[row] = None

    def _drop(self, row: _Row) -> None:
        self._rows[row.table].pop(self._graph.shapes[row.table].identity(row.values), None)
        for link in self._graph.children.get(row.table, ()):
            value = link.refers_to(row.values)
            if value is not None:
                self._referring[link].get(value, {}).pop(row, None)


def _action(link: Link, was: Values, now: Values | None) -> str:
    if now is None:
        return link.on_delete
    changed = any(was[at] != now[at] for at in link.parent_at)
    return link.on_update if changed else "none"


class Reach:
    """Which rows of the mirror the actions of a batch can meet, found in waves: each key value is asked for once.

    Where the batch changes referred values, everything that is met may be deleted later: nothing finer is worth its price.
    """

    def __init__(self, graph: Graph, events: Iterable[Event]) -> None:
        self._graph = graph
        self._asked: set[tuple[Link, bool, Met]] = set()
        self._next: dict[tuple[Link, bool], dict[Met, Values]] = {}
        self._under_way = self._next
        self._images: dict[Link, dict[Met, list[Values]]] = {link: {} for link in graph.links}
        listed = list(events)
        self._both = any(e.op == "u" and self._set_off(e) for e in listed)
        for event in listed:
            for link in graph.children.get(event.table, ()):
                for image in (event.old, event.new):
                    value = None if image is None else link.refers_to(image)
                    if value is not None and image is not None:
                        self._images[link].setdefault(value, []).append(image)
        for event in listed:
            for link in self._set_off(event):
                assert event.old is not None
                self._want(link, event.op == "d", event.old)

    def wave(self) -> list[tuple[Link, list[Values]]]:
        """(key, parents' rows) whose children are wanted next; empty at the end. Each must be answered by `met`."""
        found: dict[Link, list[Values]] = {}
        for (link, deleted), wanted in self._next.items():
            found.setdefault(link, []).extend(wanted.values())
            self._asked.update((link, deleted, value) for value in wanted)
        self._under_way, self._next = self._next, {}
        return list(found.items())

    def met(self, link: Link, children: Iterable[Values]) -> None:
        """The children that stand in the mirror; those of the batch itself are known."""
        standing = list(children)
        for (asked, deleted), wanted in self._under_way.items():
            if asked is link:
                own = [image for value in wanted for image in self._images[link].get(value, ())]
                rows = [row for row in standing if link.refers_to(row) in wanted]
                for following, gone in self._following(link, deleted=deleted):
                    for row in (*rows, *own):
                        self._want(following, gone, row)

    def _set_off(self, event: Event) -> list[Link]:
        """Keys by which an event acts."""
        if event.op not in ("u", "d") or event.old is None:
            return []
        links = self._graph.acting.get(event.table, ())
        return [link for link in links if _action(link, event.old, event.new) != "none"]

    def _following(self, link: Link, *, deleted: bool) -> list[tuple[Link, bool]]:
        """Keys by which a child acts that is itself met by this one, and whether by its deletion."""
        links = self._graph.acting.get(link.child, ())
        if self._both:
            return [(x, True) for x in links]
        if deleted and link.on_delete == "cascade":
            return [(x, True) for x in links if x.on_delete != "none"]
        return [(x, False) for x in links if x.on_update != "none" and set(x.parent_at) & set(link.child_at)]

    def _want(self, link: Link, deleted: bool, parent: Values) -> None:
        value = link.referred(parent)
        at = (link, deleted or self._both)
        if value is not None and (*at, value) not in self._asked:
            self._next.setdefault(at, {}).setdefault(value, parent)
