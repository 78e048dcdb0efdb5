"""The outbox stage over the store: what the engine is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from agent.model.apply import Claimed, TargetSpec
from agent.outbox import leases, waiting
from agent.outbox.claim import Claimer, documents_of

Pool = AsyncConnectionPool[Any]
_MOST_REPLICAS = 100


class OutboxStore:
    """The outbox of one target, for one worker (`<instance>#<boot>`)."""

    def __init__(
        self, pool: Pool, target: TargetSpec, worker: str, now: Callable[[], datetime], lease: timedelta
    ) -> None:
        self._pool = pool
        self._target = target
        self._worker = worker
        self._now = now
        self._lease = lease
        self._claimer = Claimer(target, worker)
        self._documents = documents_of(target)
        self._alone: psycopg.AsyncConnection[Any] | None = None

    async def claim(self, limit: int) -> Claimed:
        """Turn up to `limit` heads of the line into durable intents."""
        async with self._pool.connection() as conn:
            claimed = await self._claimer.claim(conn, limit, self._lease, self._now())
        if claimed.blocked:
            # What they wait for may have come between our look and our commit.
            async with self._pool.connection() as conn:
                await waiting.recheck(conn, self._target.name, self._documents, self._claimer.last_blocked)
        if self._claimer.last_ended:
            await self.unblock(self._claimer.last_ended)
        return claimed

    async def mark_sent(self, requests: Sequence[int]) -> set[int]:
        """The last claim check: those that may be sent. It is committed when this returns."""
        async with self._pool.connection() as conn:
            return await leases.mark_sent(conn, self._worker, requests, self._now())

    async def release(self, requests: Sequence[int]) -> None:
        """Give back what will not be sent."""
        async with self._pool.connection() as conn:
            await leases.release(conn, self._worker, requests, self._now())

    async def release_strays(self, known: Sequence[int]) -> None:
        """Give back claims in our name that are not among `known`."""
        async with self._pool.connection() as conn:
            await leases.release_strays(conn, self._target.name, self._worker, known, self._now())

    async def renew(self) -> None:
        """Keep our open claims for another lease."""
        async with self._pool.connection() as conn:
            await leases.renew(conn, self._target.name, self._worker, self._now(), self._lease)

    async def take_over(self) -> tuple[int, int]:
        """Claims of workers that are gone: (freed, to be asked about)."""
        longest = self._target.limits.longest_processing_seconds
        async with self._pool.connection() as conn:
            alone = self._alone is not None and not self._alone.closed
            return await leases.take_over(
                conn, self._target.name, self._worker, self._now(), longest, alone=alone
            )

    async def unblock(self, entities: Sequence[UUID]) -> int:
        """Look anew at whatever waits for these entities."""
        async with self._pool.connection() as conn:
            return await waiting.unblock(conn, self._target.name, entities)

    async def tidy(self) -> int:
        """Newer wanted states pass parked ones; cycles of references are sent in two steps."""
        async with self._pool.connection() as conn:
            passed = await waiting.pass_parked(conn, self._target.name, self._now())
            return passed + await waiting.defer_cycles(conn, self._target.name)

    async def recheck(self) -> int:
        """Ask for every blocked command whether its reason still stands."""
        async with self._pool.connection() as conn:
            return await waiting.recheck(conn, self._target.name, self._documents)

    async def next_due(self) -> datetime | None:
        """When the next postponed command may be tried."""
        async with self._pool.connection() as conn:
            return await waiting.next_due(conn, self._target.name)

    async def hold_instance(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Take the first free number among the replicas, and hold its lock on a connection of its own: while that lives,
        other boots under this number are gone, and what they left is ours at once.
        """
        base, _, boot = self._worker.partition("#")
        for number in range(1, _MOST_REPLICAS + 1):
            instance = f"{base}-{number}"
            if await leases.hold_instance(conn, f"{instance}@{self._target.name}"):
                self._worker = self._claimer.worker = f"{instance}#{boot}"
                self._alone = conn
                return
