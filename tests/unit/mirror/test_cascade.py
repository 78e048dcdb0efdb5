"""Actions told again row by row: the same as a plain database of dictionaries does, whatever the order of events."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.mirror.cascade import Carrier, Effect, Event, Reach, Standing
from agent.mirror.foreign_keys import Graph, Link, Values, graph_of
from agent.mirror.tables import MirrorTable
from agent.model.changes import Column, FkAction, ForeignKey
from agent.model.mapping import TableName

P, C, G, H = (TableName("s", name) for name in ("p", "c", "g", "h"))
Tables = dict[TableName, dict[str, Values]]  # key → row of the Shape
INT = "integer"
_KEYS = "1234"
_ABOVE = {C: P, G: C, H: C}


def graph(on_delete: FkAction, on_update: FkAction, below: FkAction = "cascade") -> Graph:
    """p ← c ← g and p ← c ← h: c.p refers to p.id, g.c to c.id, and h.c to c.p, which is no key of c."""

    def table(name: TableName, columns: Sequence[str], *keys: ForeignKey) -> MirrorTable:
        return MirrorTable(1, "s", name, tuple(Column(c, INT, c == "id") for c in columns), keys)

    return graph_of([
        table(P, ["id"]), table(C, ["id", "p"], ForeignKey(("p",), "s", "p", ("id",), on_delete, on_update)),
        table(G, ["id", "c"], ForeignKey(("c",), "s", "c", ("id",), below, below)),
        table(H, ["id", "c"], ForeignKey(("c",), "s", "c", ("p",), below, below)),
    ])  # fmt: skip


class Plain:
    """A database that acts at once, written without a thought for speed; the events are what its log would tell."""

    def __init__(self, made: Graph, tables: Tables) -> None:
        self.graph, self.tables = made, {name: dict(rows) for name, rows in tables.items()}
        self.events: list[Event] = []

    def change(self, table: TableName, old: Values | None, new: Values | None) -> None:
        """One direct change, and what it sets off."""
        op = "c" if old is None else "d" if new is None else "u"
        at = (1, 1, 1, len(self.events) + 1)
        self.events.append(Event(at, 1, table, op, old, new, (old or (None,))[:1], (new or (None,))[:1]))
        self._do(table, old, new)

    def _do(self, table: TableName, old: Values | None, new: Values | None) -> None:
        if old is not None:
            del self.tables[table][str(old[0])]
        if new is not None:
            self.tables[table][str(new[0])] = new
        if old is None:
            return
        for link in self.graph.acting.get(table, ()):
            for row in list(self.tables[link.child].values()):
                (at,) = link.parent_at
                if row[1] is not None and row[1] == old[at] and (new is None or new[at] != old[at]):
                    self._act(link, row, None if new is None else (new[at],))

    def _act(self, link: Link, row: Values, new: Values | None) -> None:
        action = link.on_delete if new is None else link.on_update
        if action == "set null":
            self._do(link.child, row, (row[0], None))
        elif action == "cascade":
            self._do(link.child, row, None if new is None else (row[0], new[0]))


    def legal(self) -> list[tuple[TableName, Values | None, Values | None]]:
        """Every direct change that the database would take now: (table, old, new)."""
        found: list[tuple[TableName, Values | None, Values | None]] = []
        for table in (P, C, G, H):
            rows = self.tables[table]
            free = [k for k in _KEYS if k not in rows]
            above = [row[1 if table is H else 0] for row in self.tables[_ABOVE[table]].values()] if table in _ABOVE else []
            found += [(table, None, (k, *rest)) for k in free for rest in ([(a,) for a in above] if table in _ABOVE else [()])]
            for row in rows.values():
                found += [(table, row, None), *((table, row, (k, *row[1:])) for k in free)]
                found += [(table, row, (row[0], a)) for a in above if a != row[1]]
        return found


def told(made: Graph, before: Tables, events: Sequence[Event]) -> tuple[Tables, list[Effect]]:
    """Events and effects put in order and folded, as the merge does."""
    standing: list[Standing] = []
    reach = Reach(made, events)
    while wave := reach.wave():
        for link, parents in wave:
            values = {link.referred(parent) for parent in parents}
            rows = [row for row in before[link.child].values() if link.refers_to(row) in values]
            standing += [Standing(link.child, row, (0, 0, 0, 0)) for row in rows]
            reach.met(link, rows)
    carrier = Carrier(made, standing)
    for event in events:
        carrier.apply(event)
    after: Tables = {name: dict(rows) for name, rows in before.items()}
    for event in events:
        if event.old is not None:
            after[event.table].pop(str(event.old[0]), None)
        if event.new is not None:
            after[event.table][str(event.new[0])] = event.new
        for effect in (e for e in carrier.effects if e.seq == event.seq):
            row = after[effect.table].pop(str(effect.key[0]))
            if effect.op == "u":
                (refers,) = effect.values.values() or (row[1],)
                after[effect.table][str(effect.new_key[0])] = (effect.new_key[0], refers)
    return after, carrier.effects


_actions = st.sampled_from(["cascade", "set null"])
_refers = st.tuples(*[st.sampled_from("123")] * 3)
# By parents more often than by others, for they act.
_moves = st.tuples(st.sampled_from([P, C, P, C, G, H]), st.sampled_from(["delete", "change", "insert"]), st.integers(0, 30))


@settings(max_examples=500, deadline=None)
@given(_actions, _actions, _actions, _refers, _refers, _refers, st.lists(_moves, min_size=1, max_size=8))
def test_the_same_as_a_database_that_acts_at_once(
    on_delete: FkAction, on_update: FkAction, below: FkAction, children: Sequence[str], by_key: Sequence[str],
    by_other: Sequence[str], moves: Sequence[tuple[TableName, str, int]],
) -> None:  # fmt: skip
    made = graph(on_delete, on_update, below)
    before: Tables = {P: {k: (k,) for k in "123"}, G: _numbered(by_key), C: _numbered(children),
                      H: _numbered([k for k in by_other if k in children])}  # fmt: skip
    plain = Plain(made, before)
    for table, verb, number in moves:
        legal = [x for x in plain.legal() if x[0] == table and verb == _verb(x[1], x[2])]
        if legal:
            plain.change(*legal[number % len(legal)])
    after, _ = told(made, before, plain.events)
    assert after == plain.tables


def _numbered(referred: Sequence[str]) -> dict[str, Values]:
    return {str(n): (str(n), key) for n, key in enumerate(referred, 1)}


def _verb(old: Values | None, new: Values | None) -> str:
    return "insert" if old is None else "delete" if new is None else "change"


def test_what_follows_a_parent_to_its_new_key_goes_with_it_there() -> None:
    before: Tables = {P: {"1": ("1",)}, C: {"5": ("5", "1")}, G: {"7": ("7", "5")}, H: {"8": ("8", "1")}}
    made = graph("cascade", "cascade")
    plain = Plain(made, before)
    plain.change(P, ("1",), ("2",))
    plain.change(P, ("2",), None)
    after, effects = told(made, before, plain.events)
    assert after == plain.tables == {P: {}, C: {}, G: {}, H: {}}
    assert len(effects) == 2 + 3


def test_an_older_change_told_again_acts_on_nothing_newer() -> None:
    made = graph("cascade", "cascade")
    carrier = Carrier(made, [Standing(C, ("1", "1"), (1, 90, 0, 1)), Standing(C, ("2", "1"), (1, 10, 0, 2))])
    carrier.apply(Event((1, 50, 1, 7), 3, P, "d", ("1",), None, ("1",), (None,)))
    assert [(e.table, e.key, e.op) for e in carrier.effects] == [(C, ("2",), "d")]


def test_a_truncated_table_has_no_children_left() -> None:
    carrier = Carrier(graph("cascade", "cascade"), [Standing(C, ("1", "1"), (1, 1, 0, 1))])
    carrier.apply(Event((1, 5, 1, 6), 3, C, "t", None, None, None, None))
    carrier.apply(Event((1, 5, 1, 7), 3, P, "d", ("1",), None, ("1",), (None,)))
    assert carrier.effects == []


def test_only_children_that_can_be_met_are_asked_for() -> None:
    """A row that a key empties is not deleted: what refers to the column is asked for, and what refers to the row is not."""
    made = graph("set null", "cascade")
    reach = Reach(made, [Event((1, 5, 1, 7), 3, P, "d", ("1",), None, ("1",), (None,))])
    ((link, parents),) = reach.wave()
    assert (link.child, parents) == (C, [("1",)])
    reach.met(link, [("5", "1")])
    ((below, _),) = reach.wave()
    assert below.child == H
    reach.met(below, [])
    assert reach.wave() == []
