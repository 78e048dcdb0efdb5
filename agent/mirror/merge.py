"""Merge: fold a batch of row changes into the mirror by a few statements per table, and count what became of each row.

Called twice inside the derive transaction: `stage` first (the changed keys, old and new), then, when affected entities
have been found as they stood before, `merge`. A value that no cast survives breaks the transaction; `isolate` then finds
such rows by bisection and holds them, and the transaction is begun again without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from agent.mirror.actions import Actions
from agent.mirror.foreign_keys import Graph, graph_of
from agent.mirror.isolate import breaking_rows
from agent.mirror.parts import Range, RowCounts, StagedTable
from agent.mirror.statements import ACTED, PLAIN, TableStatements
from agent.mirror.tables import ensure_table, load_tables
from agent.model.changes import Column, ForeignKey, Relation
from agent.model.mapping import TableName
from agent.store.queries import queries

_SQL = queries("agent.mirror", "merge")
_ACTED = {"which": "AND f._acted"}


class Mirror:
    """The mirror of one source, on the deriver's connection."""

    def __init__(
        self, conn: psycopg.Connection[Any], stream_id: int, source: str, incarnation: int = 1
    ) -> None:
        self._conn = conn
        self._stream_id = stream_id
        self._source = source
        self.incarnation = incarnation
        self.tables = load_tables(conn, stream_id, source)
        self._statements: dict[int, TableStatements] = {}
        self._shaped = False  # by a transaction that may still be taken back
        self._actions = Actions(conn, source)
        self._graph: Graph | None = None
        self._acted: Counter[str] = Counter()  # by foreign keys, in the batch in hand

    # ------------------------------------------------------------------------------------------------ staging

    def stage(self, first: int, last: int) -> list[StagedTable]:
        """Fold the rows numbered first..last per table into temporary relations, one row per touched key.

        What foreign keys did without being captured is folded with them.
        """
        span = self._range(first, last)
        groups = self._groups(span)
        self._acted = self._act(span, [row[0] for row in groups])
        if self._acted:
            groups = self._groups(span, ACTED)
        return [self._stage_table(span, *row) for row in groups]

    def key_changes(self, part: StagedTable, first: int, last: int) -> list[tuple[list[str], list[str], int]]:
        """(old key, new key, transaction) of every key change of a table in the batch, in stream order."""
        if not part.old_keys:
            return []
        rows = self._conn.execute(
            part.text("key_changes"),
            self._range(first, last).params(relation=part.relation_id, truncate=part.last_truncate),
        ).fetchall()
        return [(row[0], row[1], row[2]) for row in rows]

    def _range(self, first: int, last: int) -> Range:
        return Range(self._stream_id, self.incarnation, first, last)

    def _groups(self, span: Range, changes: Mapping[str, str] = PLAIN) -> list[tuple[Any, ...]]:
        return self._conn.execute(_SQL["groups"].format_map(changes).encode(), span.params(), prepare=True).fetchall()

    def _act(self, span: Range, relations: Sequence[int]) -> Counter[str]:
        """Finds what foreign keys did in the batch; nothing where the source tells of it itself."""
        statements = [self._statements_of(relation) for relation in relations]
        if self._graph is None:
            self._graph = graph_of(self.tables.values())
            self._actions.ensure_indexes(self._graph, self.tables)
        if not self._graph.links:
            return Counter()
        return self._actions.carry_out(self._graph, span, self.tables, statements, self._latest)

    def _stage_table(self, span: Range, relation_id: int, *numbers: Any) -> StagedTable:
        statements = self._statements_of(relation_id)
        part = StagedTable(statements.table, relation_id, statements, *numbers)
        self._fill(span, part)
        return part

    def _fill(self, span: Range, part: StagedTable) -> None:
        conn = self._conn
        params = span.params(relation=part.relation_id, truncate=part.last_truncate)
        conn.execute(part.text("create_staged"))
        conn.execute(part.text("stage", moves=part.old_keys), params, prepare=True)
        row = conn.execute(part.text("count_staged"), prepare=True).fetchone()
        part.main, part.folded, chained = (int(row[0]), int(row[1]), bool(row[2])) if row else (0, 0, False)
        if part.unchanged and (chained or part.old_keys):
            params["moves"] = part.old_keys
            conn.execute(_SQL["create_events"])
            conn.execute(_SQL["clear_events"])
            conn.execute(part.text("load_events"), params, prepare=True)
            conn.execute(part.text("resolve_unchanged"), params, prepare=True)
        if part.truncates:
            part.folded += self._one(_SQL["count_truncated"].encode(), params)
            conn.execute(part.text("stage_truncate"), params)

    # ------------------------------------------------------------------------------------------------ merging

    def merge(self, first: int, last: int, staged: Sequence[StagedTable]) -> RowCounts:
        """Bring the staged rows into the mirror; counts what became of every row change of the batch."""
        span = self._range(first, last)
        counts = RowCounts()
        for part in staged:
            self._merge_table(span, part, counts)
        counts.effects.update(self._acted)
        self._write(counts)
        return counts

    def _merge_table(self, span: Range, part: StagedTable, counts: RowCounts) -> None:
        conn = self._conn
        params = span.params(relation=part.relation_id, truncate=part.last_truncate, schema=part.table.name.schema,
                             table=part.table.name.table)  # fmt: skip
        if part.truncates:
            conn.execute(_SQL["raise_floor"], params)
        floor = conn.execute(
            "SELECT floor_inc, floor_pos FROM coexist.mirror_table"
            " WHERE stream_id = %(stream)s AND schema_name = %(schema)s AND table_name = %(table)s", params, prepare=True,
        ).fetchone() or (0, 0)  # fmt: skip
        extra = {"floor_inc": str(floor[0]), "floor_pos": f"{floor[1]}::bigint"}
        merged = conn.execute(part.text("upsert", unchanged=part.unchanged, extra=extra), params, prepare=True).rowcount
        merged += conn.execute(part.text("bury"), params | {"main": True}, prepare=True).rowcount
        moved = 0
        if part.old_keys or part.truncates:
            moved = conn.execute(part.text("bury"), params | {"main": False}).rowcount
        if part.acted:
            conn.execute(part.text("upsert", unchanged=part.unchanged, extra=extra | _ACTED), params)
            conn.execute(part.text("bury", extra=_ACTED), params | {"main": False})
        older = self._one(part.text("count_older", extra=extra), params) if merged != part.main else 0
        counts.items.update(merged=merged + part.truncates, folded=part.folded, older=older, held=part.held)
        counts.effects.update(truncates=part.truncates, keys_left_or_truncated=moved)
        if conn.execute(_SQL["any_open_rows"], (self._stream_id,), prepare=True).fetchone() == (True,):
            conn.execute(part.text("close_rows"), {"prefix": f"row:{self._source}:{part.table.name}:"})

    def merge_snapshot(self, first: int, last: int, pos: int) -> RowCounts:
        """Merge a completed snapshot (one transaction at position `pos`) and sweep rows that are gone."""
        span = self._range(first, last)
        counts = RowCounts()
        for row in self._groups(span):
            st = self._statements_of(row[0])
            self._snapshot_table(span, pos, StagedTable(st.table, row[0], st, *row[1:]), counts)
        self._sweep(span, pos, counts)
        self._write(counts)
        return counts

    def _write(self, counts: RowCounts) -> None:
        rows = [("rows", item, n) for item, n in counts.items.items() if n]
        rows += [("row_effects", item, n) for item, n in counts.effects.items() if n]
        if rows:
            ledgers, items, numbers = (list(c) for c in zip(*rows, strict=True))
            self._conn.execute(_SQL["count"], (self._source, ledgers, items, numbers), prepare=True)

    def _snapshot_table(self, span: Range, pos: int, part: StagedTable, counts: RowCounts) -> None:
        params = span.params(relation=part.relation_id, pos=pos)
        merged = self._conn.execute(part.statements.text("snapshot_merge"), params).rowcount
        older = self._one(part.statements.text("snapshot_older"), params) if merged != part.rows else 0
        counts.items.update(merged=merged, older=older, held=part.held)

    def _sweep(self, span: Range, pos: int, counts: RowCounts) -> None:
        """What the snapshot no longer has is gone; but a row of it that could not be read is there all the same."""
        relations = [r[0] for r in self._conn.execute(_SQL["held_relations"], span.params()).fetchall()]
        for table in list(self.tables.values()):
            # A table may have changed its shape in between, and have held rows of both.
            held = [r for r in relations if self._statements_of(r).table.name == table.name]
            but = self._statements_of(held[0]).text("but_held").decode() if held else ""
            text = _SQL["sweep"].format_map({"rows": table.rows, "but_held": but}).encode()
            done = self._conn.execute(text, span.params(pos=pos, relations=held))
            counts.effects["swept"] += done.rowcount

    # ------------------------------------------------------------------------------------------------ isolating

    def isolate(self, first: int, last: int) -> int:
        """Hold the rows numbered first..last that no cast survives; returns their number."""
        span = self._range(first, last)
        found = 0
        for row in self._groups(span):
            statements = self._statements_of(row[0])
            params = span.params(relation=row[0])
            seqs = [r[0] for r in self._conn.execute(_SQL["sequence_numbers"], params).fetchall()]
            for seq, error in breaking_rows(self._conn, statements, params, seqs):
                self._hold(statements, seq, error)
                found += 1
        return found

    def _hold(self, statements: TableStatements, seq: int, error: str) -> None:
        name = statements.table.name
        params = {"stream": self._stream_id, "seq": seq, "error": error}
        row = self._conn.execute(statements.text("hold"), params).fetchone()
        key = row[0] if row else ""
        self._conn.execute(_SQL["open_exception"], (
            f"row:{self._source}:{name}:{key}", self._stream_id, f"a row of {name} with key {key} cannot be merged: {error}",
            "correct the row in the source; its next change closes this", Jsonb({"key": key, "seq": seq}),
        ))  # fmt: skip

    # ------------------------------------------------------------------------------------------------ shapes

    def forget(self) -> None:
        """The transaction in hand was taken back, and with it what it did to the mirror's shape."""
        if self._shaped:
            self.reload()

    def reload(self) -> None:
        """Read anew how the mirror is shaped: another deriver may have followed a column that came or went."""
        self.tables = load_tables(self._conn, self._stream_id, self._source)
        self._statements.clear()
        self._graph = None
        self._shaped = False

    def _statements_of(self, relation_id: int) -> TableStatements:
        found = self._statements.get(relation_id)
        if found is not None:
            return found
        row = self._conn.execute(_SQL["relation"], (relation_id,)).fetchone()
        assert row is not None
        # The table's newest keys, whichever of its shapes the rows have.
        keys = tuple(ForeignKey.read(k) for k in row[4])
        relation = Relation(row[0], row[1], row[2], tuple(Column(**c) for c in row[3]), keys)
        name = TableName(relation.schema, relation.table)
        table = ensure_table(self._conn, self._stream_id, self._source, relation, self.tables.get(name))
        if table != self.tables.get(name):
            self._shaped, self._graph = True, None
            self._statements.clear()  # columns that are referred to may have come to others
        self.tables[name] = table
        found = TableStatements(table, relation, relation_id, self._referred(name))
        self._statements[relation_id] = found
        return found

    def _latest(self, name: TableName) -> TableStatements:
        """Of the newest shape of a table that no row of the batch has."""
        row = self._conn.execute(_SQL["latest_relation"], (self._stream_id, name.schema, name.table)).fetchone()
        assert row is not None
        return self._statements_of(row[0])

    def _referred(self, name: TableName) -> frozenset[str]:
        """Columns that other tables' foreign keys refer to: their old values are read, and so must be readable."""
        return frozenset(
            c for t in self.tables.values() for k in t.foreign_keys
            if (k.parent_schema, k.parent_table) == (name.schema, name.table) for c in k.parent_columns
        )  # fmt: skip

    def _one(self, text: bytes, params: dict[str, Any] | None = None) -> int:
        row = self._conn.execute(text, params, prepare=True).fetchone()
        return int(row[0]) if row else 0
