"""A store, a target in memory, and workers over both, with a clock that only moves when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from agent.apply.worker import Worker
from agent.outbox.store import OutboxStore
from agent.outcome.store import OutcomeStore
from tests.flow.apply import outbox
from tests.support.memory_target import MemoryTarget

LEASE = timedelta(seconds=10)


class Clock:
    """Time, by hand."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


class Bench:
    """Everything one test of apply needs."""

    def __init__(self, store: psycopg.Connection[Any], pool: AsyncConnectionPool[Any]) -> None:
        self.store = store
        self.pool = pool
        self.spec = outbox.spec()
        self.target = MemoryTarget(dict(self.spec.objects))
        self.clock = Clock()
        outbox.open_target(store)

    def worker(self, name: str = "agent#1") -> Worker:
        """A worker of this name."""
        return Worker(
            OutboxStore(self.pool, self.spec, name, self.clock, LEASE),
            OutcomeStore(self.pool, self.spec, self.clock, lambda: 0.5, LEASE),
            self.target,
        )

    async def drain(self, worker: Worker, rounds: int = 60) -> None:
        """Step until nothing is left that could move; time passes when nothing else does."""
        still = 0
        for _ in range(rounds):
            moved = await step(worker)
            still = 0 if moved else still + 1
            if still > 3:
                return
            if not moved:
                self.clock.forward(20)
                await worker.outbox.take_over()
                await worker.outbox.tidy()
        raise AssertionError(f"does not come to rest: {outbox.states(self.store)}")


async def step(worker: Worker) -> int:
    """One claim, everything sent and recorded, one round of questions. How much happened."""
    claimed = await worker.claim(100)
    allowed = await worker.check(claimed.requests) if claimed.requests else []
    done = [(request, await worker.perform(request)) for request in allowed]
    if done:
        await worker.record(done)
    return claimed.looked + await worker.ask(50)


@pytest.fixture
async def bench(store: psycopg.Connection[Any]) -> AsyncIterator[Bench]:
    """A fresh store with an open target."""
    info = store.info
    dsn = f"postgresql://{info.user}:{info.password}@127.0.0.1:{info.port}/{info.dbname}"
    async with AsyncConnectionPool(dsn, min_size=1, max_size=6, kwargs={"autocommit": True}) as pool:
        yield Bench(store, pool)
