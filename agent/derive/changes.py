"""From evaluated keys to entity changes: each gets its id, and is parsed when it is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, overload

from agent.derive.evaluate import Difference, Evaluation
from agent.derive.keys import SourceKeys
from agent.derive.tables import MappingTables
from agent.model.entities import Broken, EntityChange, Part
from agent.model.ids import EntityText
from agent.store.jsonb import loads

_TWIN = "its key differs from that of another row in trailing blanks only, so the two cannot be told apart"


class Changes(Sequence[EntityChange]):
    """The changes of one mapping in a batch. Parsing states is a good part of deciding, and so done part by part, beside
    the writing of those before.
    """

    def __init__(
        self, keys: SourceKeys, found: Sequence[Difference], ids: Mapping[str, EntityText], again: Set[str]
    ) -> None:
        """ids: those of keys without a state row, of which `again` are not new for that."""
        self._keys = keys
        self._found = found
        self._ids = ids
        self._again = again

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> EntityChange: ...
    @overload
    def __getitem__(self, at: slice) -> list[EntityChange]: ...
    def __getitem__(self, at: int | slice) -> EntityChange | list[EntityChange]:
        if isinstance(at, slice):
            return [self._change(n) for n in range(*at.indices(len(self._found)))]
        return self._change(range(len(self._found))[at])

    def _change(self, n: int) -> EntityChange:
        d = self._found[n]
        key = self._keys.key_text(d.key)
        known = d.entity_id is not None or key in self._again
        return EntityChange(
            d.row, d.stand, key, d.entity_id or self._ids[key], d.txn_no, d.own, _state(d.old), _state(d.new), known
        )


def identify(
    keys: SourceKeys, tables: MappingTables, evaluation: Evaluation, evicted: Sequence[Difference], cause: str, seen: set[str]
) -> Part:  # fmt: skip
    """Give every changed entity its id. Keys that mean two of them are broken.

    seen: the new keys of the batch's parts before this one, and then of this one too.
    """
    found, broken = [*evicted, *evaluation.changed], evaluation.broken
    ids, held, twins = keys.ids_for_new(tables, found, seen)
    broken.extend(Broken(found[n].key, found[n].txn_no, "twin_key", _TWIN) for n in sorted(twins))
    if twins:
        found = [d for n, d in enumerate(found) if n not in twins]
    # Derived anew without its state, an entity is not new for that.
    return Part(Changes(keys, found, ids, held if cause != "live" else set()), evaluation.unchanged, broken)


def _state(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    parsed: dict[str, Any] = loads(text)
    return parsed
