"""Evaluation: dirty keys of one mapping through its view, compared with the derived state, breaking keys isolated.

The keys are taken in ranges of their own order, so that one range can be evaluated while the one before is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

from agent.derive.tables import MappingTables
from agent.model.entities import Broken
from agent.model.ids import EntityText

_BREAKING = (
    psycopg.errors.DataError,
    psycopg.errors.UniqueViolation,
    psycopg.errors.CardinalityViolation,
    psycopg.errors.NotNullViolation,
)
Key = Sequence[str]


class Range(NamedTuple):
    """Dirty keys from `first` (None: from the start) to just before `end` (None: to the last)."""

    first: Key | None = None
    end: Key | None = None


class Difference(NamedTuple):
    """One dirty key after evaluation. new/old: JSON; None: not in the view / not in the derived state."""

    row: str | None  # where the evaluated and the state row stand; None where there is none
    stand: str | None
    key: list[str]
    txn_no: int
    own: bool
    entity_id: EntityText | None
    new: str | None
    old: str | None


@dataclass(slots=True)
class Evaluation:
    """What became of a range of dirty keys."""

    changed: list[Difference] = field(default_factory=list)
    unchanged: list[list[str]] = field(default_factory=list)  # keys, so that what was open about them is closed
    broken: list[Broken] = field(default_factory=list)


def ranges(conn: psycopg.Connection[Any], tables: MappingTables, keys: int, size: int) -> list[Range]:
    """The dirty keys, of which there are so many, in ranges of at most `size`."""
    if keys <= size:
        return [Range()]
    found = conn.execute(tables.text("cuts"), {"size": size}, prepare=True).fetchall()
    ends = [row[0] for row in found]
    return [Range(first, end) for first, end in zip([None, *ends], [*ends, None], strict=True)]


def evaluate(
    conn: psycopg.Connection[Any], tables: MappingTables, part: Range, *, everything: bool = False
) -> Evaluation:
    """Evaluate a range of the mapping's dirty table. Leaves evaluated rows in place for `keep`.

    everything: an entity that is as it was counts as changed too.
    """
    result = Evaluation()
    if not _evaluated(conn, tables, part):
        _isolate(conn, tables, part, result)
    text = tables.over("differences_all" if everything else "differences", *part)
    for row, stand, key, txn, own, entity_id, deleted, new, old in conn.execute(text, tables.bounds(*part), prepare=True):
        if new == "same" or (new is None and old is None):
            result.unchanged.append(key)
            continue
        result.changed.append(Difference(
            row, stand, key, txn, own, entity_id, new, None if deleted else old
        ))  # fmt: skip
    return result


def _evaluated(
    conn: psycopg.Connection[Any], tables: MappingTables, part: Range,
    broken: Callable[[psycopg.Error], object] = lambda _: None,
) -> bool:  # fmt: skip
    try:
        with conn.transaction():
            conn.execute(tables.over("evaluate", *part), tables.bounds(*part), prepare=True)
    except _BREAKING as error:
        broken(error)
        return False
    return True


def _isolate(conn: psycopg.Connection[Any], tables: MappingTables, part: Range, result: Evaluation) -> None:
    """Halve the range until the breaking keys stand alone; they are dirty no longer."""
    rows = conn.execute(tables.over("keys_of_dirty", *part), tables.bounds(*part)).fetchall()
    starts: list[Key | None] = [part.first, *(row[0] for row in rows[1:])]

    def attempt(first: int, last: int) -> None:
        here = Range(starts[first], part.end if last == len(rows) else starts[last])
        errors: list[psycopg.Error] = []
        if _evaluated(conn, tables, here, errors.append):
            return
        if not rows:
            raise errors[0]
        if last - first == 1:
            key, txn = rows[first]
            result.broken.append(Broken(key, txn, _code(errors[0]), str(errors[0]).splitlines()[0]))
            conn.execute(tables.over("remove_dirty", *here), tables.bounds(*here))
            return
        half = (first + last) // 2
        attempt(first, half)
        attempt(half, last)

    attempt(0, len(rows))


def _code(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.UniqueViolation):
        return "fan_out"
    if isinstance(error, psycopg.errors.CardinalityViolation):
        return "more_than_one_row"
    return "breaking_value"
