"""How far everything is, and what keeps it from being all right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from agent.store.queries import queries

_SQL = queries("agent.operations", "status")


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One source. lag_seconds: age of the oldest transaction in the inbox that is not derived yet."""

    source: str
    incarnation: int
    snapshot_state: str
    position: int | None
    captured: int
    derived_position: int
    inbox_rows: int
    inbox_transactions: int
    dirty: int
    baseline_done: bool
    lag_seconds: float
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One target, with its commands by state."""

    target: str
    tenant: str | None
    paused: bool
    paused_by: str | None
    paused_reason: str | None
    stopped_reason: str | None
    baseline_done: bool
    not_before: datetime | None
    commands: Mapping[str, int]

    @property
    def held(self) -> bool:
        """True when nothing is sent to it."""
        return self.paused or self.stopped_reason is not None


@dataclass(frozen=True, slots=True)
class Status:
    """The whole agent as its store shows it. `degraded` says in words what needs a person."""

    streams: tuple[StreamStatus, ...]
    targets: tuple[TargetStatus, ...]
    open_exceptions: Mapping[str, int]
    degraded: tuple[str, ...]


def status(conn: psycopg.Connection[Any]) -> Status:
    """Read it."""
    with conn.cursor(row_factory=dict_row) as cursor:
        streams = tuple(StreamStatus(**row) for row in cursor.execute(_SQL["streams"]).fetchall())
        commands: dict[str, dict[str, int]] = {}
        for row in cursor.execute(_SQL["command_states"]).fetchall():
            commands.setdefault(row["target"], {})[row["state"]] = row["count"]
        targets = tuple(
            TargetStatus(**row, commands=commands.get(row["target"], {}))
            for row in cursor.execute(_SQL["targets"]).fetchall()
        )
        exceptions = {
            row["stage"]: row["count"] for row in cursor.execute(_SQL["open_exceptions"]).fetchall()
        }
    return Status(streams, targets, exceptions, tuple(_degraded(targets, exceptions)))


def _degraded(targets: tuple[TargetStatus, ...], exceptions: Mapping[str, int]) -> list[str]:
    found = []
    for target in targets:
        if target.paused:
            found.append(f"target {target.target} is paused by {target.paused_by}: {target.paused_reason}")
        if target.stopped_reason is not None:
            found.append(f"target {target.target} is stopped: {target.stopped_reason}")
    total = sum(exceptions.values())
    if total:
        found.append(f"{total} open exception{'s' if total > 1 else ''}")
    return found
