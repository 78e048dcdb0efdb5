"""Recording results: one transaction per batch, set by set."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

import psycopg

from agent.failpoints import failpoint
from agent.model.apply import ClaimedCall, Recorded, TargetSpec
from agent.model.commands import Action, CallResult, CommandState, ResultKind
from agent.model.ids import EntityId
from agent.outcome.results import Chance, Verdict, judge
from agent.store import arrays
from agent.store.jsonb import dumps
from agent.store.queries import queries

_SQL = queries("agent.outcome", "record")

# Where a command may stand for its call's result to count: see agent.outbox.lifecycle.
_FROM = ["in_flight"]
_FROM_LATE = [*_FROM, "unknown", "waiting"]  # it was done, whenever we learn it


async def record(
    conn: psycopg.AsyncConnection[Any],
    target: TargetSpec,
    results: Sequence[tuple[ClaimedCall, CallResult]],
    requests: Sequence[int],
    now: datetime,
    chance: Chance,
) -> Recorded:
    """Make the results of these requests true, and close them."""
    verdicts = [judge(claimed, result, target, now, chance) for claimed, result in results]
    exceptions = [v.exception for v in verdicts if v.exception is not None]
    holds = [r.retry_after for _, r in results if r.retry_after is not None]
    stop = next((r for _, r in results if r.kind is ResultKind.STOP), None)
    base = {"target": target.name, "now": now}
    async with conn.transaction():
        moved = await _move(conn, verdicts, now)
        await _follow_up(conn, target, results, verdicts, moved, now)
        await conn.execute(_SQL["close_requests"], {"requests": list(requests), "now": now})
        if exceptions:
            await conn.execute(_SQL["open_exceptions"], base | {"rows": dumps(exceptions)})
        if holds:
            await conn.execute(_SQL["hold_target"], {"target": target.name, "until": max(holds)})
        if stop is not None:
            reason = f"{stop.code}: {stop.message}"[:500]
            await conn.execute(_SQL["stop_target"], {"target": target.name, "reason": reason})
    if any(claimed.more and result.kind is ResultKind.ACCEPTED for claimed, result in results):
        failpoint("between-calls")
    return Recorded(
        len(moved),
        _moved_on(results, verdicts, moved),
        min((v.due for v in verdicts if v.due is not None and _retried(v)), default=None),
        max(holds, default=None),
        f"{stop.code}: {stop.message}" if stop else "",
    )


async def _move(conn: psycopg.AsyncConnection[Any], verdicts: Sequence[Verdict], now: datetime) -> set[int]:
    """The calls whose commands moved."""
    if not verdicts:
        return set()
    args = {"now": now, "from": _FROM, "from_late": _FROM_LATE}
    cursor = await conn.execute(_SQL["record"], args | _columns([v.row for v in verdicts]))
    row = await cursor.fetchone()
    return set(row[0] or ()) if row else set()


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """One array text per column. No text of the store holds a NUL, and whatever an answer says must be recorded."""
    columns = zip(*[row.values() for row in rows], strict=True)
    return {n: arrays.column(v).replace("\x00", "\ufffd") for n, v in zip(rows[0], columns, strict=True)}


async def _follow_up(
    conn: psycopg.AsyncConnection[Any],
    target: TargetSpec,
    results: Sequence[tuple[ClaimedCall, CallResult]],
    verdicts: Sequence[Verdict],
    moved: Set[int],
    now: datetime,
) -> None:
    calls = [claimed.call for claimed, _ in results]
    judged = [(call, verdict.row) for call, verdict in zip(calls, verdicts, strict=True)]
    applied = [
        c.key.entity_id for c, row in judged if row["to"] == CommandState.APPLIED and c.call_id in moved
    ]
    if applied:
        args = {"target": target.name, "entities": arrays.column(applied), "now": now}
        await conn.execute(_SQL["close_exceptions"], args)
    stale = [call.call_id for call, row in judged if row["happened"] and call.call_id not in moved]
    if stale:
        await conn.execute(_SQL["stale"], {"calls": stale})


def _retried(verdict: Verdict) -> bool:
    return verdict.row["to"] is CommandState.WAITING


def _moved_on(
    results: Sequence[tuple[ClaimedCall, CallResult]], verdicts: Sequence[Verdict], moved: Set[int]
) -> tuple[EntityId, ...]:
    """Entities that others may have waited for: a line that ended, a record that is there (or posted) now."""
    found = []
    for (claimed, result), verdict in zip(results, verdicts, strict=True):
        call = claimed.call
        if call.call_id not in moved:
            continue
        appeared = call.action in (Action.CREATE, Action.POST) and result.kind is ResultKind.ACCEPTED
        if verdict.row["to"] == CommandState.APPLIED or appeared:
            found.append(call.key.entity_id)
    return tuple(found)
