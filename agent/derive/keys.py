"""Source keys and entity ids inside the derive transaction: moves, evictions, ids for entities never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import psycopg

from agent.derive.evaluate import Difference
from agent.derive.tables import MappingTables
from agent.model.ids import EntityText
from agent.store.arrays import plain, texts
from agent.store.queries import queries

_SQL = queries("agent.derive", "derive")

MakeId = Callable[[str, str, str, int], EntityText]  # entity, source, key text, generation
KeyText = Callable[[Iterable[object]], str]


class NewIds(NamedTuple):
    """ids: by key text. held: keys that had their id before. twins: indexes of those whose key means another one too: the two
    differ in trailing blanks only.
    """

    ids: dict[str, EntityText]
    held: set[str]
    twins: set[int]


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

    def ids_for_new(self, tables: MappingTables, found: Sequence[Difference], seen: set[str]) -> NewIds:
        """Ids for the entities without a state row; a key that was left by a key change gets the next generation.

        seen: new keys of this batch so far; those of `found` are added.
        """
        named = {n: self.key_text(d.key) for n, d in enumerate(found) if d.entity_id is None}
        if not named:
            return NewIds({}, set(), set())
        entity = tables.mapping.entity
        rows = self._conn.execute(
            tables.text("current_ids"), (entity, self._source, texts(named.values())), prepare=True
        ).fetchall()
        borne = {key for key, _, in_state in rows if in_state}
        twins = set()
        for n, key in named.items():
            if key in seen or key in borne:
                twins.add(n)
            seen.add(key)
        wanted = {key: found[n].txn_no for n, key in named.items() if n not in twins}
        # A key without a state row may have its id already: the entity was an exception when it was first seen.
        held = {key: entity_id for key, entity_id, _ in rows if key in wanted}
        new = {key: txn_no for key, txn_no in wanted.items() if key not in held}
        return NewIds(held | self._new_ids(entity, new), set(held), twins)

    def _new_ids(self, entity: str, wanted: dict[str, int]) -> dict[str, EntityText]:
        """wanted: key → number of the transaction that brought it."""
        if not wanted:
            return {}
        ids = {key: self._make_id(entity, self._source, key, 1) for key in wanted}
        taken = self._taken(ids.values())
        special = {key for key in wanted if ids[key] in taken}
        for key in special:
            generation = 1
            while ids[key] in taken:
                generation += 1
                ids[key] = self._make_id(entity, self._source, key, generation)
                taken |= self._taken([ids[key]])
        self._add("add_keys", entity, "key", [(k, ids[k], t) for k, t in wanted.items() if k not in special])
        self._add("add_keys", entity, "generation", [(k, ids[k], t) for k, t in wanted.items() if k in special])
        return ids

    def _taken(self, ids: Iterable[EntityText]) -> set[EntityText]:
        return {r[0] for r in self._conn.execute(_SQL["taken_ids"], (plain(ids),), prepare=True).fetchall()}

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
                evicted.append(Difference(None, None, key, txn_no, True, entity_id, None, state))
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
        self._add("take_keys", entity, "key_change", carried)
        return evicted

    def _add(self, how: str, entity: str, method: str, rows: list[tuple[str, EntityText, int]]) -> None:
        if not rows:
            return
        keys, ids, txns = (list(c) for c in zip(*rows, strict=True))
        self._conn.execute(
            _SQL[how],
            (entity, self._source, method, texts(keys), plain(ids), plain(txns)),
            prepare=True,
        )
        if method != "key":
            self._special.update({(entity, key): entity_id for key, entity_id, _ in rows})
            # Asked after it was said, for another thread resolves meanwhile.
            if self._resolved and any((entity, key) in self._resolved for key in keys):
                raise TooLate
