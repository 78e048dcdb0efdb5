"""Source keys and entity ids inside the derive transaction: moves, evictions, ids for entities never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

from agent.derive.evaluate import Difference
from agent.derive.tables import MappingTables
from agent.model.ids import EntityText
from agent.store.arrays import plain, texts
from agent.store.queries import queries

_SQL = queries("agent.derive", "derive")

MakeId = Callable[[str, str, str, int], EntityText]  # entity, source, key text, generation
KeyText = Callable[[Iterable[object]], str]


class TooLate(Exception):
    """A key came to mean another id after it was resolved for a part of the same batch: the batch is begun again, whole."""


class SourceKeys:
    """Ids by source key. Only keys whose id is not the computed one are remembered; there are few of them."""

    def __init__(
        self, conn: psycopg.Connection[Any], source: str, make_id: MakeId, key_text: KeyText
    ) -> None:
        self._conn = conn
        self._source = source
        self._make_id = make_id
        self.key_text = key_text
        self._special: dict[tuple[str, str], EntityText] = {}
        self._resolved: set[tuple[str, str]] | None = None
        self.reload()

    def reload(self) -> None:
        """Forget what an aborted transaction may have added."""
        rows = self._conn.execute(_SQL["moved_keys"], (self._source,)).fetchall()
        self._special = {(entity, key): entity_id for entity, key, entity_id in rows}
        self._resolved = None

    def watch(self) -> None:
        """From here to `settle`: raise TooLate when a key that was resolved gets another id."""
        self._resolved = set()

    def settle(self) -> None:
        """All entities of the batch have their ids."""
        self._resolved = None

    def resolve(self, entity: str, values: Sequence[object]) -> EntityText:
        """The id of the entity that a source key means now."""
        at = (entity, self.key_text(values))
        if self._resolved is not None:
            self._resolved.add(at)
        return self._special.get(at) or self._make_id(entity, self._source, at[1], 1)

    def twins(self, tables: MappingTables, found: Sequence[Difference], seen: set[str]) -> set[int]:
        """Indexes of new entities whose key means another one too: keys that differ in trailing blanks only.

        seen: new keys of this batch so far; those of `found` are added.
        """
        named = {n: self.key_text(d.key) for n, d in enumerate(found) if d.entity_id is None}
        doubled = set()
        for n, key in named.items():
            if key in seen:
                doubled.add(n)
            seen.add(key)
        if named:
            params = (tables.mapping.entity, self._source, list(named.values()))
            borne = {
                r[0] for r in self._conn.execute(tables.text("borne_keys"), params, prepare=True).fetchall()
            }
            doubled |= {n for n, key in named.items() if key in borne}
        return doubled

    def ids_for_new(
        self, tables: MappingTables, found: Sequence[Difference]
    ) -> tuple[dict[int, EntityText], set[int]]:
        """Index in `found` → id for entities without a state row; keys already left by a key change get the next generation.

        Besides, which of them had their id before.
        """
        entity = tables.mapping.entity
        named = {n: self.key_text(d.key) for n, d in enumerate(found) if d.entity_id is None}
        if not named:
            return {}, set()
        # A key without a state row may have its id already: the entity was an exception when it was first seen.
        current = dict(self._conn.execute(
            tables.text("current_ids"), (entity, self._source, list(named.values())), prepare=True).fetchall())  # fmt: skip
        held = {n: current[key] for n, key in named.items() if key in current}
        return held | self._new_ids(entity, found, {n: k for n, k in named.items() if n not in held}), set(held)

    def _new_ids(
        self, entity: str, found: Sequence[Difference], wanted: dict[int, str]
    ) -> dict[int, EntityText]:
        if not wanted:
            return {}
        ids = {n: self._make_id(entity, self._source, key, 1) for n, key in wanted.items()}
        taken = dict(self._conn.execute(_SQL["taken_ids"], (plain(ids.values()),), prepare=True).fetchall())
        special = []
        for n, key in wanted.items():
            generation = 1
            while ids[n] in taken:
                generation += 1
                ids[n] = self._make_id(entity, self._source, key, generation)
                if generation > 1 and ids[n] not in taken:
                    taken |= dict(self._conn.execute(_SQL["taken_ids"], (plain([ids[n]]),)).fetchall())
            if generation > 1:
                special.append(n)
        self._add(entity, "key", [(wanted[n], ids[n], found[n].txn_no) for n in wanted if n not in special])
        self._add(entity, "generation", [(wanted[n], ids[n], found[n].txn_no) for n in special])
        return ids

    def move(
        self, tables: MappingTables, moves: Sequence[tuple[Sequence[str], Sequence[str]]], txn_no: int
    ) -> list[Difference]:
        """Carry state rows over to their new keys. Returns entities that stood at a key another one has taken."""
        params: dict[str, Any] = {}
        for n in range(len(tables.key_names)):
            params[f"old{n}"] = [old[n] for old, _ in moves]
            params[f"new{n}"] = [new[n] for _, new in moves]
        evicted = []
        for entity_id, deleted, state, key in self._conn.execute(tables.text("evict"), params).fetchall():
            if not deleted:
                evicted.append(Difference(None, key, txn_no, True, entity_id, None, state))
        entity = tables.mapping.entity
        carried = [
            (self.key_text(key), entity_id, txn_no)
            for entity_id, key in self._conn.execute(tables.text("move"), params).fetchall()
        ]
        left = [self.key_text(key) for pair in moves for key in pair]
        # All keys are left before any is taken, so that a swap ends right.
        self._conn.execute(_SQL["leave_keys"], (txn_no, entity, self._source, left))
        for key in left:
            self._special.pop((entity, key), None)
        self._add(entity, "key_change", carried)
        return evicted

    def _add(self, entity: str, method: str, rows: list[tuple[str, EntityText, int]]) -> None:
        if not rows:
            return
        keys, ids, txns = (list(c) for c in zip(*rows, strict=True))
        self._conn.execute(
            _SQL["add_keys"],
            (entity, self._source, method, texts(keys), plain(ids), plain(txns)),
            prepare=True,
        )
        if method != "key":
            self._special.update({(entity, key): entity_id for key, entity_id, _ in rows})
            # Asked after it was said, for another thread resolves meanwhile.
            if self._resolved and any((entity, key) in self._resolved for key in keys):
                raise TooLate
