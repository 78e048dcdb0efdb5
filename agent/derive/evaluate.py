"""Evaluation: the dirty keys of one mapping through its view, compared with the derived state, breaking keys isolated."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

from agent.derive.tables import MappingTables
from agent.model.ids import EntityText

_BREAKING = (
    psycopg.errors.DataError,
    psycopg.errors.UniqueViolation,
    psycopg.errors.CardinalityViolation,
    psycopg.errors.NotNullViolation,
)
_Row = tuple[list[str], int, bool]


class Difference(NamedTuple):
    """One dirty key after evaluation. new/old: JSON; None: not in the view / not in the derived state."""

    number: int | None
    key: list[str]
    txn_no: int
    own: bool
    entity_id: EntityText | None
    new: str | None
    old: str | None


@dataclass(slots=True)
class Evaluation:
    """What became of a mapping's dirty keys."""

    changed: list[Difference] = field(default_factory=list)
    unchanged: int = 0
    unchanged_keys: list[list[str]] = field(
        default_factory=list
    )  # so that what was open about them is closed
    broken: list[tuple[list[str], int, str, str]] = field(default_factory=list)  # key, txn, code, message


def evaluate(conn: psycopg.Connection[Any], tables: MappingTables, *, everything: bool = False) -> Evaluation:
    """Evaluate the keys in the mapping's dirty table. Leaves evaluated rows in place for `keep`.

    everything: an entity that is as it was counts as changed too.
    """
    result = Evaluation()
    try:
        with conn.transaction():
            conn.execute(tables.evaluate(), prepare=True)
    except _BREAKING:
        _isolate(conn, tables, result)
    cursor = conn.execute(tables.text("differences_all" if everything else "differences"), prepare=True)
    for number, key, txn, own, entity_id, deleted, new, old in cursor:
        if new == "same" or (new is None and old is None):
            result.unchanged += 1
            result.unchanged_keys.append(key)
            continue
        result.changed.append(Difference(
            number, key, txn, own, entity_id, new, None if deleted else old
        ))  # fmt: skip
    return result


def _isolate(conn: psycopg.Connection[Any], tables: MappingTables, result: Evaluation) -> None:
    rows: list[_Row] = [
        (list(row[:-2]), row[-2], row[-1]) for row in conn.execute(tables.text("keys_of_dirty")).fetchall()
    ]
    conn.execute(tables.text("remove_evaluated"))
    good: list[_Row] = []

    def attempt(part: list[_Row]) -> None:
        _refill(conn, tables, part)
        try:
            with conn.transaction():
                conn.execute(tables.evaluate())
            good.extend(part)
        except _BREAKING as error:
            if len(part) == 1:
                key, txn, _ = part[0]
                result.broken.append((key, txn, _code(error), str(error).splitlines()[0]))
                return
            half = len(part) // 2
            attempt(part[:half])
            attempt(part[half:])

    attempt(rows)
    _refill(conn, tables, good)


def _code(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.UniqueViolation):
        return "fan_out"
    if isinstance(error, psycopg.errors.CardinalityViolation):
        return "more_than_one_row"
    return "breaking_value"


def _refill(conn: psycopg.Connection[Any], tables: MappingTables, rows: list[_Row]) -> None:
    conn.execute(f"DELETE FROM {tables.dirty}".encode())
    if not rows:
        return
    keys = ", ".join(f"k[{n}]::{tables.types[name]}" for n, name in enumerate(tables.key_names, 1))
    conn.execute(
        f"INSERT INTO {tables.dirty} SELECT {keys}, t, o FROM ("
        " SELECT ARRAY(SELECT jsonb_array_elements_text(j.value)) AS k, t, o FROM"
        " ROWS FROM (unnest(%s::jsonb[]), unnest(%s::bigint[]), unnest(%s::boolean[])) AS j (value, t, o)) x".encode(),
        ([json.dumps(r[0]) for r in rows], [r[1] for r in rows], [r[2] for r in rows]),
    )
