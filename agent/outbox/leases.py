"""Claims and time: the last check before sending, giving back, renewing, and taking over from a worker
that is gone.

A worker is called `<instance>#<boot>`: the configured name of the agent, and one word per start of it. A
request is taken over when its lease has ended, or at once when it belongs to another boot of our own
instance and we hold that instance's lock: the lock is a session lock of the store, so its holder's
connection is gone.

Why the second is safe: the lock does not prove that the old process is dead, only that its store session
is. What keeps the promise is the request row. Not sent: closing the request makes the old worker's last
claim check fail, so it never sends. Sent: its commands become unknown and are asked about, not before the
longest processing time after `sent_at`; exactly as with a lease that ended. The lock only keeps two
living processes of one name from taking each other's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from agent.model.commands import CommandState as S
from agent.outbox.lifecycle import Event, after, from_states
from agent.store.queries import queries

_SQL = queries("agent.outbox", "leases")
_LOCK_SPACE = 0x636F776B  # "cowk"


async def mark_sent(
    conn: psycopg.AsyncConnection[Any], worker: str, requests: Sequence[int], now: datetime
) -> set[int]:
    """The last claim check, committed: those of `requests` that this worker may send now."""
    cursor = await conn.execute(_SQL["mark_sent"], {"requests": list(requests), "worker": worker, "now": now})
    return {int(row[0]) for row in await cursor.fetchall()}


async def release(
    conn: psycopg.AsyncConnection[Any], worker: str, requests: Sequence[int], now: datetime
) -> None:
    """Give back claims that were not sent; nothing happens to those that somebody took over."""
    await conn.execute(
        _SQL["release"],
        {
            "requests": list(requests),
            "worker": worker,
            "now": now,
            "to": after(S.IN_FLIGHT, Event.RELEASED),
            "from": from_states(Event.RELEASED),
        },
    )


async def release_strays(
    conn: psycopg.AsyncConnection[Any], target: str, worker: str, known: Sequence[int], now: datetime
) -> None:
    """Give back claims in this worker's name that it does not know of: their commit went through, its
    answer was lost.
    """
    args = {"target": target, "worker": worker, "known": list(known)}
    cursor = await conn.execute(_SQL["strays"], args)
    strays = [int(row[0]) for row in await cursor.fetchall()]
    if strays:
        await release(conn, worker, strays, now)


async def renew(
    conn: psycopg.AsyncConnection[Any], target: str, worker: str, now: datetime, lease: timedelta
) -> None:
    """Keep this worker's open claims. One whose lease ended already is not brought back."""
    args = {"target": target, "worker": worker, "now": now, "lease_until": now + lease}
    await conn.execute(_SQL["renew"], args)


async def take_over(
    conn: psycopg.AsyncConnection[Any],
    target: str,
    worker: str,
    now: datetime,
    longest: float,
    *,
    alone: bool,
) -> tuple[int, int]:
    """Requests of workers that are gone: (commands freed, commands now unknown). alone: we hold our
    instance's lock.
    """
    args = {
        "target": target,
        "worker": worker,
        "instance": worker.partition("#")[0] + "#",
        "alone": alone,
        "now": now,
        "longest": longest,
        "released": after(S.IN_FLIGHT, Event.RELEASED),
        "lost": after(S.IN_FLIGHT, Event.LOST),
        "from": from_states(Event.LOST),
    }
    async with conn.transaction():
        cursor = await conn.execute(_SQL["take_over"], args)
        row = await cursor.fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


async def hold_instance(conn: psycopg.AsyncConnection[Any], instance: str) -> bool:
    """Try to take the lock of our instance on `conn`, which must stay open and unshared while we work."""
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s::int, hashtext(%s))", (_LOCK_SPACE, instance))
    row = await cursor.fetchone()
    return bool(row and row[0])
