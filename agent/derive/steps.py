"""Reads what cut_at_step needs to know: which documents a batch's rows touch, and where their step changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from agent.derive.batch import Txn, cut_at_step, step_touches
from agent.derive.tables import quote
from agent.model.mapping import CompiledMapping

_ROWS = (
    "SELECT i.txn_no, i.relation_id, i.op::text, i.old_values, i.new_values, i.unchanged FROM coexist.inbox i"
    " WHERE i.stream_id = %s AND i.seq BETWEEN %s AND %s AND i.relation_id = ANY (%s) ORDER BY i.seq"
)


@dataclass(frozen=True)
class Watched:
    """One `every_change` mapping: the root column that carries its step, and how rows of its own tables name their document."""

    mapping: CompiledMapping
    step_column: str
    links: Mapping[
        str, tuple[str, ...]
    ]  # own table → its columns that hold the root key, in key order; () when unknown


class StepCutter:
    """Cuts batches for the `every_change` mappings of one source."""

    def __init__(self, conn: psycopg.Connection[Any], watched: Sequence[Watched]) -> None:
        self._conn = conn
        self._watched = watched
        self._columns: dict[int, list[str]] = {}

    def cut(self, batch: list[Txn], tables: Mapping[str, int]) -> list[Txn]:
        """The batch, shortened where a step would be folded away. tables: table → its relation id in this batch."""
        for watched in self._watched:
            if len(batch) > 1 and str(watched.mapping.root) in tables:
                batch = self._cut_one(watched, batch, tables)
        return batch

    def _cut_one(self, watched: Watched, batch: list[Txn], tables: Mapping[str, int]) -> list[Txn]:
        relations = {tables[name]: name for name in watched.links if name in tables}
        rows = self._conn.execute(
            _ROWS,
            (self._stream(tables), batch[0].first_seq, batch[-1].last_seq, list(relations)),
            prepare=True,
        ).fetchall()
        read = [self._row(watched, relations, row) for row in rows]
        roots = {key for _, key, is_root, _ in read if is_root and key is not None}
        known = self._steps_now(watched, roots)
        return cut_at_step(batch, step_touches(read, known))

    def _stream(self, tables: Mapping[str, int]) -> int:
        any_relation = next(iter(tables.values()))
        row = self._conn.execute(
            "SELECT stream_id FROM coexist.relation WHERE relation_id = %s", (any_relation,), prepare=True
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _row(
        self, watched: Watched, relations: Mapping[int, str], row: tuple[Any, ...]
    ) -> tuple[int, str | None, bool, str | None]:
        txn_no, relation_id, op, old, new, _ = row
        columns = self._columns_of(relation_id)
        name = relations[relation_id]
        is_root = name == str(watched.mapping.root)
        values = dict(zip(columns, new or old or (), strict=False))
        named = watched.links[name]
        parts = [values.get(c) for c in named]
        # A document whose own key changes, and a truncate, touch more than one row can tell.
        unknown = not named or None in parts or op == "t" or (is_root and op == "u" and old is not None and any(
            o is not None and o != values.get(c) for c, o in zip(columns, old, strict=False) if c in named))  # fmt: skip
        key = None if unknown else "\x1f".join(str(p) for p in parts)
        return txn_no, key, is_root, values.get(watched.step_column) if is_root and op != "d" else None

    def _steps_now(self, watched: Watched, keys: set[str]) -> dict[str, str | None]:
        if not keys:
            return {}
        mapping = watched.mapping
        live = f"{quote('mirror_' + mapping.source)}.{quote(str(mapping.root))}"
        columns = [k.column for k in mapping.key]
        arrays = ", ".join(f"%s::{k.type_name}[]" for k in mapping.key)
        names = ", ".join(f"k{n}" for n in range(len(columns)))
        on = " AND ".join(f"r.{quote(c)} = k.k{n}" for n, c in enumerate(columns))
        listed = list(keys)
        split = [key.split("\x1f") for key in listed]
        rows = self._conn.execute(
            # By its place in the list: a key read back as text may look other than the source wrote it.
            f"SELECT k.place, r.{quote(watched.step_column)}::text FROM unnest({arrays}) WITH ORDINALITY AS k ({names}, place)"
            f" JOIN {live} r ON {on}".encode(),
            [[parts[n] for parts in split] for n in range(len(columns))], prepare=True,
        ).fetchall()  # fmt: skip
        return {listed[place - 1]: step for place, step in rows}

    def _columns_of(self, relation_id: int) -> list[str]:
        found = self._columns.get(relation_id)
        if found is None:
            row = self._conn.execute(
                "SELECT columns FROM coexist.relation WHERE relation_id = %s", (relation_id,)
            ).fetchone()
            assert row is not None
            found = [c["name"] for c in row[0]]
            self._columns[relation_id] = found
        return found


def own_links(mapping: CompiledMapping, own_tables: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each own table, the columns that hold the root key (in key order), or () when a row alone cannot tell."""
    links: dict[str, tuple[str, ...]] = {str(mapping.root): tuple(k.column for k in mapping.key)}
    for name in own_tables or [str(leaf.table) for leaf in mapping.leaves]:
        if name == str(mapping.root):
            continue
        leaf = next((x for x in mapping.leaves if str(x.table) == name), None)
        by_key = dict(leaf.root_link) if leaf is not None else {}
        whole = all(k.output in by_key for k in mapping.key)
        links[name] = tuple(by_key[k.output] for k in mapping.key) if whole else ()
    return links
