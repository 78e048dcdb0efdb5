"""The whole story of one record: source rows → events → rules → commands → calls → outcomes → cross-references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from agent.store.queries import queries

_SQL = queries("agent.operations", "trace")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallTrace:
    """One durable intent to write, and what came of it."""

    call_id: int
    action: str
    external_key: Row
    digest: str
    marker: str | None
    body: Row
    made_at: datetime
    outcomes: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class CommandTrace:
    """One wanted change of one record. rule: the ownership rules that let it through, with their version."""

    command_id: int
    target: str
    object: str
    kind: str
    step: str | None
    state: str
    reason: str
    rule: str
    event_id: int
    correlation: str
    attempts: int
    made_at: datetime
    done_at: datetime | None
    calls: tuple[CallTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class EventTrace:
    """One business event, and the source transaction and mapping version that made it."""

    event_id: int
    event_type: str
    cause: str
    source: str
    source_key: str
    txn_no: int
    commit_pos: int
    xid: int
    committed_at: datetime
    correlation: str
    mapping: str
    mapping_version: str
    changes: Row
    at: datetime


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything the store knows of one entity."""

    entity: str
    entity_id: UUID
    keys: tuple[Row, ...]
    events: tuple[EventTrace, ...]
    commands: tuple[CommandTrace, ...]
    records: tuple[Row, ...]
    cross_references: tuple[Row, ...]
    exceptions: tuple[Row, ...] = field(default=())


def find(conn: psycopg.Connection[Any], text: str) -> tuple[tuple[str, UUID], ...]:
    """(entity, id) of all that this text names: an entity id, a source key, a native id, a part of an external key."""
    rows = conn.execute(_SQL["find"], {"id": _uuid(text), "text": text}).fetchall()
    return tuple((str(entity), entity_id) for entity, entity_id in rows)


def trace(conn: psycopg.Connection[Any], entity: str, entity_id: UUID, *, limit: int = 50) -> Trace:
    """The story of one entity; of events and commands the newest `limit`."""
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:

        def rows(name: str, *params: Any) -> list[dict[str, Any]]:
            return cursor.execute(_SQL[name], params).fetchall()

        of = {"id": entity_id, "limit": limit}
        commands = cursor.execute(_SQL["commands"], of).fetchall()
        calls = rows("calls", [c["command_id"] for c in commands])
        outcomes = _by(rows("outcomes", [c["call_id"] for c in calls]), "call_id")
        by_command = _by(calls, "command_id")
        return Trace(
            entity, entity_id, tuple(rows("keys", entity_id)),
            tuple(EventTrace(**row) for row in rows("events", entity_id, limit)),
            tuple(_command(row, by_command[row["command_id"]], outcomes) for row in commands),
            tuple(rows("records", entity_id)), tuple(rows("cross_references", entity_id)),
            tuple(rows("exceptions", entity_id)),
        )  # fmt: skip


def _command(
    row: dict[str, Any], calls: list[dict[str, Any]], outcomes: Mapping[int, list[Row]]
) -> CommandTrace:
    made = tuple(
        CallTrace(
            **{k: v for k, v in call.items() if k != "command_id"}, outcomes=tuple(outcomes[call["call_id"]])
        )
        for call in calls
    )
    return CommandTrace(**row, calls=made)


def _by(rows: list[dict[str, Any]], name: str) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
