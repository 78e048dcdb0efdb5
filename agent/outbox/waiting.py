"""What waits and why: asked again by query, never only by an event that could be missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from agent.model.commands import CommandState as S
from agent.outbox.lifecycle import Event, after, from_states
from agent.outbox.references import RefKey, strongly_connected
from agent.store import arrays
from agent.store.jsonb import loads
from agent.store.queries import queries

_SQL = queries("agent.outbox", "waiting")
_CYCLE_LIMIT = 20_000


async def unblock(conn: psycopg.AsyncConnection[Any], target: str, entities: Sequence[UUID]) -> int:
    """Look anew at whatever waits for these entities."""
    cursor = await conn.execute(_SQL["unblock"], {"target": target, "entities": arrays.column(list(entities))})
    return cursor.rowcount


async def recheck(
    conn: psycopg.AsyncConnection[Any],
    target: str,
    documents: Sequence[str],
    only: Sequence[int] | None = None,
) -> int:
    """Free the blocked commands whose reason is gone: those just blocked (a change may have come
    between), or all.
    """
    args: dict[str, Any] = {"target": target, "documents": list(documents)}
    if only is None:
        return (await conn.execute(_SQL["recheck"], args)).rowcount
    return (await conn.execute(_SQL["recheck_only"], args | {"only": list(only)})).rowcount


async def pass_parked(conn: psycopg.AsyncConnection[Any], target: str, now: datetime) -> int:
    """Let newer wanted states pass the parked older ones of their record."""
    args = {
        "target": target,
        "now": now,
        "to": after(S.PARKED, Event.SUPERSEDE),
        "from": from_states(Event.SUPERSEDE),
    }
    async with conn.transaction():
        cursor = await conn.execute(_SQL["pass_parked"], args)
        entities = [row[0] for row in await cursor.fetchall()]
        if entities:
            await unblock(conn, target, entities)
    return len(entities)


async def defer_cycles(conn: psycopg.AsyncConnection[Any], target: str) -> int:
    """Send one command of each cycle of references without its deferrable ones; a second call brings them."""
    cursor = await conn.execute(_SQL["deferrable"], {"target": target, "limit": _CYCLE_LIMIT})
    rows = await cursor.fetchall()
    chosen = to_defer({(r[1], r[2]): (r[0], loads(r[3])) for r in rows})
    if chosen:
        await conn.execute(_SQL["defer"], {"commands": chosen})
    return len(chosen)


async def next_due(conn: psycopg.AsyncConnection[Any], target: str) -> datetime | None:
    """When the next waiting command may be tried."""
    row = await (await conn.execute(_SQL["next_due"], {"target": target})).fetchone()
    return row[0] if row else None


def to_defer(blocked: Mapping[RefKey, tuple[int, Sequence[Mapping[str, Any]]]]) -> list[int]:
    """Of blocked commands (record → command, references): one per cycle, the oldest that can do without."""
    edges = {node: [(r["object"], UUID(r["entity_id"])) for r in refs] for node, (_, refs) in blocked.items()}
    chosen = []
    for group in strongly_connected(edges):
        members = set(group)
        able = [blocked[node][0] for node in group if _can_defer(blocked[node][1], members)]
        chosen += [min(able)] if able else []
    return sorted(chosen)


def _can_defer(references: Sequence[Mapping[str, Any]], members: set[RefKey]) -> bool:
    inside = [r for r in references if (r["object"], UUID(r["entity_id"])) in members]
    return bool(inside) and all(r.get("deferrable", False) for r in inside)
