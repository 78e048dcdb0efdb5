"""Row events → row changes in the shape of their table; the two halves of a key change become one update."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from agent.capture.kafka.envelope import Row
from agent.capture.kafka.shapes import Shape, Shapes, Table
from agent.errors import StreamBroken
from agent.model.changes import Relation, RowChange, Value

Complete = Callable[[Table], bool]


class Half(NamedTuple):
    """The delete of a key change, waiting for its create."""

    table: Table
    before: dict[str, Any]


class RowReader:
    """Makes row changes of one source's events.

    complete: whether a table's old images are complete (MariaDB; PostgreSQL under REPLICA IDENTITY FULL): else only their
    keys are real.
    """

    def __init__(self, shapes: Shapes, wanted: Iterable[Table], complete: Complete) -> None:
        self._shapes = shapes
        self._wanted = frozenset(f"{schema}.{table}" for schema, table in wanted)
        self._complete = complete

    def captured(self, row: Row) -> bool:
        """Is it a change of one of our tables?"""
        return row.op != "m" and self._shapes.captured((row.schema, row.table))

    def covers(self, tables: Iterable[str]) -> bool:
        """Whether these are all of ours."""
        return self._wanted <= frozenset(tables)

    def take_relations(self) -> tuple[Relation, ...]:
        """Shapes that are new since the last call."""
        return self._shapes.take()

    def forget(self, tables: Iterable[Table]) -> None:
        """Their shapes may have changed."""
        self._shapes.forget(tables)

    def retyped(self) -> tuple[Table, ...]:
        """Tables whose columns have other types now. Raises StreamBroken, SourceUnavailable."""
        return self._shapes.retyped()

    def reshaped(self, row: Row) -> bool:
        """Whether this row changes the meaning of rows of its table that were read before it and are not handed over."""
        return self.captured(row) and self._shapes.changed((row.schema, row.table), row.after or row.before, row.fields)

    def read(self, row: Row, half: Half | None, *, key_moved: bool, placeholders: bool) -> RowChange | Half:
        """The row as a change; of a key change's delete only the half. Raises StreamBroken, SourceUnavailable."""
        table = (row.schema, row.table)
        if half is not None:
            return self._moved(row, table, half, placeholders=placeholders, key_moved=key_moved)
        if row.op == "t":
            return RowChange(self._shapes.relation(table).ref, "t", None, None)
        if row.op == "d":
            assert row.before is not None
            if key_moved:
                return Half(table, row.before)
            shape = self._shapes.of(table, row.before, row.fields)
            return RowChange(shape.relation.ref, "d", *self._old(table, shape, row.before))
        return self._present(row, table, placeholders=placeholders)

    def _present(self, row: Row, table: Table, *, placeholders: bool) -> RowChange:
        assert row.after is not None
        shape = self._shapes.of(table, row.after, row.fields)
        new = shape.values(row.after, placeholders=placeholders)
        if row.op == "u" and row.before is not None:
            old, _, complete = self._old(table, shape, row.before)
            return RowChange(shape.relation.ref, "u", old, new, complete)
        return RowChange(shape.relation.ref, "r" if row.op == "r" else "c" if row.op == "c" else "u", None, new)

    def _moved(
        self, row: Row, table: Table, half: Half, *, placeholders: bool, key_moved: bool
    ) -> RowChange:
        if row.op != "c" or half.table != table or not key_moved or row.after is None:
            raise StreamBroken(
                f"a change of a key in {'.'.join(half.table)} has only its first half in the topic",
                remedy="the topic lost something: take a new snapshot (`coexist source resnapshot`)",
            )
        shape = self._shapes.of(table, row.after, row.fields)
        old, _, complete = self._old(table, shape, half.before)
        return RowChange(
            shape.relation.ref, "u", old, shape.values(row.after, placeholders=placeholders), complete
        )

    def _old(
        self, table: Table, shape: Shape, before: dict[str, Any]
    ) -> tuple[tuple[Value, ...], None, bool]:
        if self._complete(table):
            return shape.values(before, placeholders=False), None, True
        return shape.key_only(before), None, False
