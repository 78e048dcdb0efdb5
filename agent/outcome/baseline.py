"""What a target already holds, read once before anything is created there: matched, cross-referenced,
agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from agent.model.apply import TargetSpec
from agent.model.commands import Found
from agent.model.ids import ObjectName
from agent.ports import Target
from agent.profile import canonicalise, marker_of
from agent.store.jsonb import dumps
from agent.store.queries import queries
from cdc_config.profile import ObjectProfile

_SQL = queries("agent.outcome", "baseline")
_PAGE = 1000

Connect = Callable[[], Any]  # an async context manager that yields a connection


async def ensure_target(conn: psycopg.AsyncConnection[Any], target: TargetSpec, tenant: str | None) -> None:
    """The target's row, where it is paused, stopped, held and known to have its baseline."""
    await conn.execute(_SQL["ensure_target"], {"target": target.name, "tenant": tenant})


async def baseline_state(
    conn: psycopg.AsyncConnection[Any], target: TargetSpec, sources: Sequence[str]
) -> tuple[bool, bool]:
    """(done, may be started): it waits until every source has been derived whole once."""
    args = {"target": target.name, "sources": list(sources)}
    row = await (await conn.execute(_SQL["state"], args)).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)


async def read_baseline(connect: Connect, target: TargetSpec, port: Target) -> dict[str, dict[str, int]]:
    """Read and adopt everything; a repeated or concurrent one changes nothing that is known already."""
    counts: dict[str, dict[str, int]] = {}
    for name, profile in target.objects.items():
        counts[name] = await _read_object(connect, target, port, ObjectName(name), profile)
    async with connect() as conn:
        await conn.execute(_SQL["done"], {"target": target.name, "details": dumps(counts)})
    return counts


async def _read_object(
    connect: Connect, target: TargetSpec, port: Target, name: ObjectName, profile: ObjectProfile
) -> dict[str, int]:
    markers = await _markers(connect, target, name, profile)
    read = matched = 0
    page: list[dict[str, Any]] = []
    async for found in port.read_all(name):
        read += 1
        page.append(_row(target, profile, found, markers))
        if len(page) >= _PAGE:
            matched += await _adopt(connect, target, name, page)
            page = []
    matched += await _adopt(connect, target, name, page)
    return {"read": read, "matched": matched, "only_there": read - matched}


async def _markers(
    connect: Connect, target: TargetSpec, name: ObjectName, profile: ObjectProfile
) -> Mapping[str, UUID]:
    if profile.server_key is None:
        return {}
    async with connect() as conn:
        cursor = await conn.execute(_SQL["unmarked"], {"target": target.name, "object": name})
        return {marker_of(row[0]): row[0] for row in await cursor.fetchall()}


def _row(
    target: TargetSpec, profile: ObjectProfile, found: Found, markers: Mapping[str, UUID]
) -> dict[str, Any]:
    key = {
        name: str(value).upper() if name in profile.key_upper else value
        for name, value in found.external_key.items()
        if name in profile.key
    }
    entity = markers.get(str(found.native.get(profile.protection.marker or ""))) if markers else None
    return {
        "external_key": {} if profile.server_key else key,
        "entity_id": entity,
        "lifecycle": found.lifecycle,
        "agreed": canonicalise(profile, found, target.legal_entities),
        "token": found.token,
        "native_id": found.native_id,
        "reference": found.native_id or "/".join(str(key[n]) for n in sorted(key)),
    }


async def _adopt(
    connect: Connect, target: TargetSpec, name: ObjectName, page: Sequence[Mapping[str, Any]]
) -> int:
    if not page:
        return 0
    statement = _SQL["adopt_by_entity" if target.objects[name].server_key else "adopt_by_key"]
    async with connect() as conn:
        args = {"target": target.name, "object": name, "rows": dumps(list(page))}
        row = await (await conn.execute(statement, args)).fetchone()
    return int(row[0]) if row else 0
