"""Work that needs a person: look at it, try it again, or decide against it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from agent.errors import PolicyRefused
from agent.model.commands import CommandState
from agent.operations import audit
from agent.outbox.lifecycle import ENDS, Event, from_states
from agent.store.queries import queries

_SQL = queries("agent.operations", "exceptions")

_ENTITY_STAGES = ("evaluate", "validate")
_ROW_STAGES = ("copy", "merge")


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One exception in a list."""

    exception_id: int
    stage: str
    subject: str
    entity: str | None
    entity_id: UUID | None
    target: str | None
    object: str | None
    command_id: int | None
    code: str
    message: str
    remedy: str
    state: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionDetail(ExceptionRow):
    """One exception whole. blocks: commands that wait because of it."""

    stream_id: int | None
    diagnostics: Mapping[str, Any]
    closed_at: datetime | None
    closed_by: str | None
    close_reason: str | None
    blocks: int = 0


@dataclass(frozen=True, slots=True)
class ExceptionChanged:
    """What a replay or skip did, in words, and how many commands or entities it moved."""

    exception_id: int
    action: str
    did: str
    moved: int


def list_exceptions(
    conn: psycopg.Connection[Any], *, state: str | None = "open", stage: str | None = None,
    target: str | None = None, code: str | None = None, limit: int = 100,
) -> tuple[ExceptionRow, ...]:  # fmt: skip
    """The newest first."""
    wanted = {"state": state, "stage": stage, "target": target, "code": code, "limit": limit}
    with conn.cursor(row_factory=dict_row) as cursor:
        return tuple(ExceptionRow(**row) for row in cursor.execute(_SQL["list"], wanted).fetchall())


def show(conn: psycopg.Connection[Any], exception_id: int) -> ExceptionDetail:
    """Raises PolicyRefused when there is none of that number."""
    return _read(conn, exception_id, "show")


def replay(conn: psycopg.Connection[Any], exception_id: int, *, actor: str, reason: str) -> ExceptionChanged:
    """Try again: a parked command waits to be sent, braked ones are let through, an entity is evaluated anew.

    What fails again opens a new exception. A row that cannot be read is refused: only the source can mend it.
    """
    with conn.transaction():
        found = _open(conn, exception_id, "replay")
        if found.stage in _ROW_STAGES:
            raise PolicyRefused(
                f"exception {exception_id} is about a row that cannot be read, so there is nothing to replay",
                where=found.subject,
                remedy="change the row in the source: its next change is read instead; or skip it",
            )
        if found.stage == "brake":
            moved, did = _move_braked(conn, found, Event.RELEASE, ""), "let through what the brake held"
        elif found.stage in _ENTITY_STAGES:
            moved, did = _mark(conn, found, "live"), "marked the entity to be evaluated anew"
        elif found.stage == "decide":
            moved, did = _mark(conn, found, "replay"), "marked the entity to be decided anew by the rules as they are now"
        else:
            moved, did = _move_command(conn, found, Event.REPLAY, ""), "put the command back in line"
        return _finish(conn, found, "replay", did, moved, actor, reason)


def skip(conn: psycopg.Connection[Any], exception_id: int, *, actor: str, reason: str) -> ExceptionChanged:
    """Decide against it: its commands are not sent, and what waited behind them goes on."""
    with conn.transaction():
        found = _open(conn, exception_id, "skip")
        why = f"skipped by {actor}: {reason}"
        if found.stage == "brake":
            moved, did = _move_braked(conn, found, Event.SKIP, why), "dropped what the brake held"
        elif found.command_id is not None:
            moved, did = _move_command(conn, found, Event.SKIP, why), "dropped the command"
        else:
            moved, did = 0, "closed it; the source's next change is taken as usual"
        return _finish(conn, found, "skip", did, moved, actor, reason)


def key_values(key_text: str) -> list[str]:
    """The parts of a canonical key text, as agent.identity joined them."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:^|/)((?:\\.|[^/\\])*)", key_text)]


def _open(conn: psycopg.Connection[Any], exception_id: int, action: str) -> ExceptionDetail:
    found = _read(conn, exception_id, "lock")
    if found.state != "open":
        raise PolicyRefused(
            f"exception {exception_id} is closed already ({found.close_reason}), so {action} has nothing to do",
            remedy="coexist exception list shows the open ones",
        )
    return found


def _read(conn: psycopg.Connection[Any], exception_id: int, query: str) -> ExceptionDetail:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL[query], (exception_id,)).fetchone()
        if row is None:
            raise PolicyRefused(
                f"there is no exception {exception_id}", remedy="coexist exception list shows them"
            )
        about = {
            "command": row["command_id"],
            **{k: row[k] for k in ("target", "object", "entity_id", "subject")},
        }
        blocked = cursor.execute(_SQL["blocks"], about).fetchone()
    return ExceptionDetail(**row, blocks=int(blocked["count"]) if blocked else 0)


def _move_command(conn: psycopg.Connection[Any], found: ExceptionDetail, event: Event, reason: str) -> int:
    state = conn.execute(_SQL["command_state"], (found.command_id,)).fetchone()
    if state is None:
        raise PolicyRefused(
            f"exception {found.exception_id} has no command to move",
            where=found.subject,
            remedy="skip closes it",
        )
    moved = conn.execute(
        _SQL["move_command"], _to(event) | {"command": found.command_id, "reason": reason}
    ).rowcount
    if event is Event.SKIP and moved:
        conn.execute(_SQL["unblock"], ([state[1]], [state[2]]))
    return moved


def _move_braked(conn: psycopg.Connection[Any], found: ExceptionDetail, event: Event, reason: str) -> int:
    moved = conn.execute(
        _SQL["move_braked"], _to(event) | {"subject": found.subject, "reason": reason}
    ).fetchall()
    if event is Event.SKIP and moved:
        conn.execute(_SQL["unblock"], ([row[0] for row in moved], [row[1] for row in moved]))
    return len(moved)


def _to(event: Event) -> dict[str, Any]:
    to = CommandState.SKIPPED if event is Event.SKIP else CommandState.WAITING
    return {"to": to.value, "from": from_states(event), "ends": to in ENDS}


def _mark(conn: psycopg.Connection[Any], found: ExceptionDetail, cause: str) -> int:
    mapping, key = _mapping_and_key(conn, found)
    position = conn.execute(_SQL["lock_position"], (found.stream_id,)).fetchone()
    if position is None:
        raise PolicyRefused(
            f"exception {found.exception_id} names no stream", where=found.subject, remedy="skip it"
        )
    # The newest derived transaction stands for it: the older one may have been pruned.
    txn_no, source = position
    marked = conn.execute(
        _SQL["mark_dirty"],
        {"stream": found.stream_id, "mapping": mapping, "key": key, "txn": txn_no, "cause": cause},
    ).rowcount
    if marked:
        conn.execute(_SQL["count_affected"], (source, marked))
    return marked


def _mapping_and_key(conn: psycopg.Connection[Any], found: ExceptionDetail) -> tuple[str, Sequence[str]]:
    event = conn.execute(_SQL["event_of"], (found.command_id,)).fetchone()
    if event is not None:
        return str(event[0]), key_values(str(event[1]))
    mapping, _, key = found.subject.partition(":")
    return str(found.diagnostics.get("mapping", mapping)), key_values(str(found.diagnostics.get("key", key)))


def _finish(
    conn: psycopg.Connection[Any],
    found: ExceptionDetail,
    action: str,
    did: str,
    moved: int,
    actor: str,
    reason: str,
) -> ExceptionChanged:
    conn.execute(_SQL["close"], (actor, f"{action}: {reason}", found.exception_id))
    details = {"subject": found.subject, "code": found.code, "moved": moved}
    audit.record(conn, actor, f"exception.{action}", str(found.exception_id), reason, details)
    return ExceptionChanged(found.exception_id, action, did, moved)
