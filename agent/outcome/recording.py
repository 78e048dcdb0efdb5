"""Recording results: one transaction per batch, set by set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from agent.failpoints import failpoint
from agent.model.apply import ClaimedCall, Recorded, TargetSpec
from agent.model.commands import Action, CallResult, CommandState, ResultKind
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
        await _follow_up(conn, target, verdicts, moved, now)
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
        _moved_on(results, moved),
        min((v.due for v in verdicts if v.due is not None and _retried(v)), default=None),
        max(holds, default=None),
        f"{stop.code}: {stop.message}" if stop else "",
    )


async def _move(
    conn: psycopg.AsyncConnection[Any], verdicts: Sequence[Verdict], now: datetime
) -> list[tuple[Any, ...]]:
    if not verdicts:
        return []
    args = {"now": now, "from": _FROM, "from_late": _FROM_LATE}
    cursor = await conn.execute(_SQL["record"], args | _columns([v.row for v in verdicts]))
    return await cursor.fetchall()


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """One array text per column."""
    columns = zip(*[row.values() for row in rows], strict=True)
    return {name: _array(values) for name, values in zip(rows[0], columns, strict=True)}


def _array(values: Sequence[Any]) -> str:
    some = next((value for value in values if value is not None), None)
    if some is None or isinstance(some, int):  # booleans too; nothing in them needs a quote
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    if isinstance(some, datetime):
        values = [value and value.isoformat() for value in values]
    # No text of the store holds a NUL, and whatever an answer says must be recorded.
    return arrays.texts(values).replace("\x00", "\ufffd")


async def _follow_up(
    conn: psycopg.AsyncConnection[Any],
    target: TargetSpec,
    verdicts: Sequence[Verdict],
    moved: Sequence[Sequence[Any]],
    now: datetime,
) -> None:
    applied = [row[1] for row in moved if row[2] == CommandState.APPLIED]
    if applied:
        args = {"target": target.name, "entities": applied, "now": now}
        await conn.execute(_SQL["close_exceptions"], args)
    there = {row[0] for row in moved}
    stale = [v.row["call_id"] for v in verdicts if v.row["happened"] and v.row["call_id"] not in there]
    if stale:
        await conn.execute(_SQL["stale"], {"calls": stale})


def _retried(verdict: Verdict) -> bool:
    return verdict.row["to"] is CommandState.WAITING


def _moved_on(
    results: Sequence[tuple[ClaimedCall, CallResult]], moved: Sequence[Sequence[Any]]
) -> tuple[Any, ...]:
    """Entities that others may have waited for: a line that ended, a record that is there (or posted) now."""
    calls = {claimed.call.call_id: (claimed, result) for claimed, result in results}
    found = []
    for call_id, entity_id, to in moved:
        claimed, result = calls[call_id]
        appeared = claimed.call.action in (Action.CREATE, Action.POST) and result.kind is ResultKind.ACCEPTED
        if to == CommandState.APPLIED or appeared:
            found.append(entity_id)
    return tuple(found)
