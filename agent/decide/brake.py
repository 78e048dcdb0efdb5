"""The brake: one cause that would touch too many existing records is held until a person lets it through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from agent.model.entities import CommandRow
from agent.model.ids import EntityText
from agent.store.queries import queries

_SQL = queries("agent.decide", "write")
COUNTING = "brake: counting"


@dataclass(frozen=True, slots=True)
class BrakeRules:
    """Limits of one target: records touched by one cause, or their share of the object's records from `minimum` on."""

    records: int
    share: float
    minimum: int


def too_many(rules: BrakeRules, touched: int, existing: int) -> bool:
    """Pure: does a cause that touches `touched` of `existing` records exceed the limits?"""
    if touched > rules.records:
        return True
    return touched >= rules.minimum and existing > 0 and touched / existing > rules.share


class Braking:
    """Counts per cause (source transaction), target and object, and brakes."""

    def __init__(self, conn: psycopg.Connection[Any], source: str, rules: Mapping[str, BrakeRules]) -> None:
        self._conn = conn
        self._source = source
        self._rules = rules

    def provisional(self, row: CommandRow) -> CommandRow:
        """A command of a cause that spans several slices: held until all of them are counted."""
        if row.state != "waiting" or row.created:
            return row
        return row._replace(state="braked", reason=COUNTING)

    def check(self, stream_id: int, rows: Sequence[CommandRow], numbers: Sequence[int]) -> set[int]:
        """Brake the causes of this batch that touch too many existing records; returns the commands that were held."""
        held: set[int] = set()
        causes: dict[tuple[str, str, int], list[tuple[int, EntityText]]] = defaultdict(list)
        for number, row in zip(numbers, rows, strict=True):
            if row.state == "waiting" and not row.created:
                causes[row.target, row.object, row.txn_no].append((number, row.entity_id))
        records: dict[tuple[str, str], int] = {}  # counted once per batch: it is a walk over all of them
        for (target, name, txn_no), touched in causes.items():
            rules = self._rules[target]
            if len(touched) < min(rules.minimum, rules.records):
                continue
            present = self._one("existing_of", ([e for _, e in touched], target, name))
            if present >= min(rules.minimum, rules.records) and (target, name) not in records:
                records[target, name] = self._one("records_of", (target, name))
            if too_many(rules, present, records.get((target, name), 0)):
                reason = self._open(stream_id, target, name, txn_no, present)
                self._conn.execute(_SQL["brake"], (reason, [n for n, _ in touched]))
                held.update(n for n, _ in touched)
        return held

    def settle(self, stream_id: int) -> None:
        """The last slice of a cause is in: release its commands or brake them for good."""
        for target, name, txn_no, n in self._conn.execute(
            _SQL["counting_of"], (self._source, COUNTING)
        ).fetchall():
            if too_many(self._rules[target], n, self._one("records_of", (target, name))):
                state, reason = "braked", self._open(stream_id, target, name, txn_no, n)
            else:
                state, reason = "waiting", ""
            self._conn.execute(
                _SQL["end_counting"], (state, reason, self._source, target, name, txn_no, COUNTING)
            )

    def _open(self, stream_id: int, target: str, name: str, txn_no: int, n: int) -> str:
        subject = f"brake:{self._source}:{txn_no}:{target}:{name}"
        self._conn.execute(_SQL["open_exceptions"], (
            stream_id, ["brake"], [subject], [name], [None], [target], [name], [None], ["too_many_records"],
            [f"one source transaction would change {n} existing {name} records at {target}"],
            ["look at what it changes; replay lets it through, skip drops it"],
            [Jsonb({"source": self._source, "txn_no": txn_no, "records": n})],
        ))  # fmt: skip
        return subject

    def _one(self, name: str, params: tuple[Any, ...]) -> int:
        row = self._conn.execute(_SQL[name], params).fetchone()
        return int(row[0]) if row else 0
