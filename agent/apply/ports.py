"""What the engine needs of the stages beside it, as narrow protocols; wired in agent.wiring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from agent.model.apply import Claimed, ClaimedCall, Question, Recorded
from agent.model.commands import CallResult, Found
from agent.ports import Target


class Outbox(Protocol):
    """Claims of one target for one worker."""

    async def claim(self, limit: int) -> Claimed:
        """Turn up to `limit` heads of the line into durable intents."""
        ...

    async def mark_sent(self, requests: Sequence[int]) -> set[int]:
        """The last claim check, committed: those that may be sent."""
        ...

    async def release(self, requests: Sequence[int]) -> None:
        """Give back what will not be sent."""
        ...

    async def release_strays(self, known: Sequence[int]) -> None:
        """Give back claims in our name that are not among `known`."""
        ...

    async def renew(self) -> None:
        """Keep our open claims for another lease."""
        ...

    async def take_over(self) -> tuple[int, int]:
        """Claims of workers that are gone: (freed, to be asked about)."""
        ...

    async def unblock(self, entities: Sequence[UUID]) -> int:
        """Look anew at whatever waits for these entities."""
        ...

    async def tidy(self) -> int:
        """Newer wanted states pass parked ones; cycles are broken. Number of commands freed."""
        ...

    async def recheck(self) -> int:
        """Ask for every blocked command whether its reason still stands."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next postponed command may be tried."""
        ...


class Outcomes(Protocol):
    """Outcomes of one target."""

    async def record(
        self, results: Sequence[tuple[ClaimedCall, CallResult]], requests: Sequence[int]
    ) -> Recorded:
        """Make results true and close their requests."""
        ...

    async def questions(self, limit: int) -> list[Question]:
        """What must be asked now."""
        ...

    async def answered(self, found: Sequence[tuple[Question, Sequence[Found]]]) -> list[UUID]:
        """Make answers true; entities whose line may move on."""
        ...

    async def next_question(self) -> datetime | None:
        """When the next unknown call may be asked about."""
        ...

    async def baseline(self, port: Target, sources: Sequence[str], tenant: str | None) -> bool:
        """Whether the target's baseline is done; reads it when it may be and was not."""
        ...
