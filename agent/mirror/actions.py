"""Foreign-key actions of a batch: found from what is in the inbox and the mirror, and laid beside the captured changes.

Where MariaDB deletes or changes children by itself, staging reads the changes it did not tell of from a temporary table,
at the places of those that set them off. A batch in which no parent was deleted or renumbered costs one question a parent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg

from agent.errors import SourceError
from agent.mirror.cascade import Carrier, Effect, Event, Reach, Standing
from agent.mirror.foreign_keys import Graph, Link, Shape, Values
from agent.mirror.parts import Range
from agent.mirror.statements import TableStatements
from agent.mirror.tables import MirrorTable, quote
from agent.model.mapping import TableName
from agent.store.queries import queries

_SQL = queries("agent.mirror", "actions")

Latest = Callable[[TableName], TableStatements]


class Actions:
    """On the deriver's connection, inside its transaction."""

    def __init__(self, conn: psycopg.Connection[Any], source: str) -> None:
        self._conn = conn
        self._source = source

    def ensure_indexes(self, graph: Graph, tables: Mapping[TableName, MirrorTable]) -> None:
        """Children are looked up by what they refer to."""
        for link in graph.links:
            shape, table = graph.shapes[link.child], tables[link.child]
            columns = [shape.columns[at].name for at in link.child_at]
            listed = ", ".join(f"({m.sql(quote(c))})" for m, c in zip(link.meetings, columns, strict=True))
            name = quote(f"fk:{link.child}:{','.join(columns)}"[:63])
            self._conn.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table.rows} ({listed})".encode())

    def carry_out(
        self, graph: Graph, span: Range, tables: Mapping[TableName, MirrorTable], present: Sequence[TableStatements],
        latest: Latest,
    ) -> Counter[str]:  # fmt: skip
        """Write what foreign keys did in `span` to coexist_actions; the rows changed, by action. Nothing: none did anything.

        tables: the mirror's; present: of the shapes that rows of the span have; latest: of a table that has none there.
        """
        touched = [st for st in present if st.table.name in graph.shapes]
        if not any(self._any_trigger(graph, span, st) for st in touched):
            return Counter()
        events = sorted((e for st in touched for e in self._events(graph, span, st)), key=lambda e: e.stamp)
        carrier = Carrier(graph, self._standing(graph, events, tables))
        for event in events:
            carrier.apply(event)
        if carrier.effects:
            shapes = {st.table.name: st for st in touched}
            shapes |= {name: latest(name) for name in {e.table for e in carrier.effects} - shapes.keys()}
            self._write(span, graph, carrier.effects, shapes)
        return carrier.counts

    # ------------------------------------------------------------------------------------------------ what happened

    def _any_trigger(self, graph: Graph, span: Range, st: TableStatements) -> bool:
        if st.table.name not in graph.acting:
            return False
        text = _SQL["any_trigger"].format_map({"sets_off": _sets_off(graph, st)})
        return self._conn.execute(text.encode(), span.params(relation=st.number), prepare=True).fetchone() == (True,)

    def _events(self, graph: Graph, span: Range, st: TableStatements) -> list[Event]:
        name = st.table.name
        shape = graph.shapes[name]
        key, columns = [c.name for c in shape.columns[: shape.keys]], [c.name for c in shape.columns]
        fields = {
            "old": st.image("i.old_values", columns), "new": st.image("i.new_values", columns),
            "old_key": st.spelled("i.old_values", key), "new_key": st.spelled("i.new_values", key),
            # Of what is nobody's child, only what sets something off.
            "wanted": "true" if name in graph.children else _sets_off(graph, st),
        }  # fmt: skip
        rows = self._conn.execute(_SQL["events"].format_map(fields).encode(), span.params(relation=st.number), prepare=True)
        return [self._event(graph, span, shape, row) for row in rows]

    def _event(self, graph: Graph, span: Range, shape: Shape, row: tuple[Any, ...]) -> Event:
        seq, txn_no, pos, op, complete, old, new, old_key, new_key = row
        if op in ("u", "d") and not complete and graph.by_more_than_key(shape.name):
            raise SourceError(
                f"a change of {shape.name} came without its old values, by which foreign keys refer to it",
                where=f"source {self._source}", remedy="SET GLOBAL binlog_row_image = FULL; then `coexist source resnapshot`",
            )  # fmt: skip
        return Event((span.incarnation, pos, 1, seq), txn_no, shape.name, op, old, new, old_key, new_key)

    # ------------------------------------------------------------------------------------------------ what it met

    def _standing(
        self, graph: Graph, events: Sequence[Event], tables: Mapping[TableName, MirrorTable]
    ) -> list[Standing]:
        """Rows of the mirror that the events can meet, through chains of keys."""
        found: dict[tuple[TableName, tuple[str | None, ...]], Standing] = {}
        reach = Reach(graph, events)
        while wave := reach.wave():
            for link, parents in wave:
                rows = self._referring(graph.shapes[link.child], tables[link.child], link, parents)
                found.update(((link.child, tuple(row.values)), row) for row in rows)
                reach.met(link, [row.values for row in rows])
        return list(found.values())

    def _referring(self, shape: Shape, table: MirrorTable, link: Link, parents: Sequence[Values]) -> list[Standing]:
        columns = [shape.columns[at] for at in link.child_at]
        names = [f"v{n}" for n in range(len(columns))]
        fields = {
            "columns": ", ".join(f"m.{quote(c.name)}::text" for c in shape.columns),
            "arrays": ", ".join(f"%s::text[]::{c.type_name}[]" for c in columns),
            "names": ", ".join(names),
            "rows": table.rows,
            "meets": " AND ".join(
                f"{how.sql('m.' + quote(c.name))} = {how.sql('v.' + name)}"
                for c, name, how in zip(columns, names, link.meetings, strict=True)
            ),
        }
        values = [[parent[at] for parent in parents] for at in link.parent_at]
        rows = self._conn.execute(_SQL["standing"].format_map(fields).encode(), values, prepare=True)
        return [Standing(table.name, row[0], (row[1], row[2], row[3], row[4])) for row in rows]

    # ------------------------------------------------------------------------------------------------ what came of it

    def _write(
        self, span: Range, graph: Graph, effects: Sequence[Effect], shapes: Mapping[TableName, TableStatements]
    ) -> None:
        self._conn.execute(_SQL["create_actions"])
        self._conn.execute(_SQL["clear_actions"])
        keys = {name: [c.name for c in graph.shapes[name].columns[: graph.shapes[name].keys]] for name in shapes}
        with self._conn.cursor() as cursor, cursor.copy(_SQL["copy_actions"]) as copy:
            for effect in effects:
                copy.write_row((span.stream_id, *as_change(effect, keys[effect.table], shapes[effect.table])))


def as_change(effect: Effect, key: Sequence[str], st: TableStatements) -> tuple[Any, ...]:
    """An effect as a row of the inbox: (seq, txn_no, relation, op, old_values, new_values, unchanged).

    A changed row has its key and what the action set; all else is unchanged, and taken from the image before.
    """
    width = len(st.relation.columns)
    old: list[str | None] = [None] * width
    for column, value in zip(key, effect.key, strict=True):
        old[st.position(column) - 1] = value
    head = (effect.seq, effect.txn_no, st.number, effect.op)
    if effect.op == "d":
        return (*head, old, None, None)
    new: list[str | None] = [None] * width
    given = dict(zip(key, effect.new_key, strict=True)) | effect.values
    for column, value in given.items():
        new[st.position(column) - 1] = value
    places = {st.position(column) for column in given}
    unchanged = [n for n in range(1, width + 1) if n not in places]
    moved = tuple(effect.key) != tuple(effect.new_key)
    return (*head, old if moved else None, new, unchanged or None)


def _sets_off(graph: Graph, st: TableStatements) -> str:
    referred = graph.referred_columns(st.table.name)
    return _SQL["sets_off"].format_map({
        "referred_old": st.spelled("i.old_values", referred), "referred_new": st.spelled("i.new_values", referred),
    })  # fmt: skip
