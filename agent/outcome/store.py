"""The outcome stage over the store: what the engine is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from agent.model.apply import ClaimedCall, Question, Recorded, TargetSpec
from agent.model.commands import CallResult, Found
from agent.outcome import asking, baseline, recording
from agent.outcome.answers import answer
from agent.outcome.results import Chance
from agent.ports import Target

Pool = AsyncConnectionPool[Any]


class OutcomeStore:
    """Outcomes of one target."""

    def __init__(
        self, pool: Pool, target: TargetSpec, now: Callable[[], datetime], chance: Chance, lease: timedelta
    ) -> None:
        self._pool = pool
        self._target = target
        self._now = now
        self._chance = chance
        self._lease = lease

    async def record(
        self, results: Sequence[tuple[ClaimedCall, CallResult]], requests: Sequence[int]
    ) -> Recorded:
        """Make results true."""
        async with self._pool.connection() as conn:
            return await recording.record(conn, self._target, results, requests, self._now(), self._chance)

    async def questions(self, limit: int) -> list[Question]:
        """What must be asked now."""
        async with self._pool.connection() as conn:
            return await asking.questions(conn, self._target, self._now(), self._lease, limit)

    async def answered(self, found: Sequence[tuple[Question, Sequence[Found]]]) -> list[UUID]:
        """Judge what was found and make it true; entities whose line may move on."""
        pairs = [(question, answer(question, there, self._target)) for question, there in found]
        # Asked twice at once, both would be judged by the same old record: one answer per record and round.
        once = {question.record.key: (question, judged) for question, judged in pairs}
        async with self._pool.connection() as conn:
            return await asking.answered(conn, self._target, list(once.values()), self._now())

    async def next_question(self) -> datetime | None:
        """When the next unknown call may be asked about."""
        async with self._pool.connection() as conn:
            return await asking.next_question(conn, self._target)

    async def baseline(self, port: Target, sources: Sequence[str], tenant: str | None) -> bool:
        """Whether the target's baseline is done; reads it when it may be read and was not."""
        async with self._pool.connection() as conn:
            await baseline.ensure_target(conn, self._target, tenant)
            done, ready = await baseline.baseline_state(conn, self._target, sources)
        if done or not ready:
            return done
        await baseline.read_baseline(self._pool.connection, self._target, port)
        return True
