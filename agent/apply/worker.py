"""The steps of applying, one method each, without loops or timers: claim → check → perform → record, and ask.

The order is the promise: the intent is committed before the check, the check is committed before the
bytes leave, the outcome is recorded after. What is lost between two steps is found by whoever takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.apply.ports import Outbox, Outcomes
from agent.errors import CoexistError
from agent.failpoints import failpoint
from agent.model.apply import Claimed, ClaimedCall, ClaimedRequest, Question, Recorded
from agent.model.commands import CallResult, Found, ResultKind
from agent.ports import Target
from agent.profile import marker_of

Results = Sequence[tuple[ClaimedCall, CallResult]]


class Worker:
    """One target's steps."""

    def __init__(self, outbox: Outbox, outcomes: Outcomes, target: Target) -> None:
        self.outbox = outbox
        self.outcomes = outcomes
        self.target = target

    async def claim(self, limit: int) -> Claimed:
        """Durable intents for up to `limit` commands."""
        return await self.outbox.claim(limit)

    async def check(self, requests: Sequence[ClaimedRequest]) -> list[ClaimedRequest]:
        """The last claim check for several requests in one commit; what may not be sent is given back."""
        allowed = await self.outbox.mark_sent([r.request_id for r in requests])
        refused = [r.request_id for r in requests if r.request_id not in allowed]
        if refused:
            await self.outbox.release(refused)
        return [r for r in requests if r.request_id in allowed]

    async def perform(self, request: ClaimedRequest) -> Results:
        """Send one request. An error of the port itself leaves the outcome unknown: something may have
        been sent.
        """
        calls = [claimed.call for claimed in request.calls]
        failpoint("before-call")
        try:
            results = await self.target.send(calls)
        except (CoexistError, OSError) as error:
            results = unknown(request, str(error))
        failpoint("after-call")
        by_call = {result.call_id: result for result in results}
        return [
            (c, by_call.get(c.call.call_id) or _unanswered(c, "no result came back")) for c in request.calls
        ]

    async def record(self, done: Sequence[tuple[ClaimedRequest, Results]]) -> Recorded:
        """Make what came of several requests true in one commit, then let others look at it."""
        results = [pair for _, pairs in done for pair in pairs]
        recorded = await self.outcomes.record(results, [request.request_id for request, _ in done])
        if recorded.ended:
            await self.outbox.unblock(recorded.ended)
        return recorded

    async def ask(self, limit: int) -> int:
        """Ask about what is unknown or must be read back; returns how many lines moved on."""
        questions = await self.outcomes.questions(limit)
        if not questions:
            return 0
        found = await asyncio.gather(*[self._find(q) for q in questions])
        answers = [(q, there) for q, there in zip(questions, found, strict=True) if there is not None]
        entities = await self.outcomes.answered(answers) if answers else []
        if entities:
            await self.outbox.unblock(entities)
        return len(entities)

    async def _find(self, question: Question) -> list[Found] | None:
        """What the target has; None when it cannot be asked just now, which is no answer."""
        call, record = question.call, question.record
        key = call.external_key if call is not None else record.external_key
        marker = call.marker if call is not None else None
        if not key and marker is None:
            marker = marker_of(record.key.entity_id)
        try:
            return await self.target.find(record.key, key, marker)
        except (CoexistError, OSError):
            return None


def unknown(request: ClaimedRequest, why: str) -> list[CallResult]:
    """Results of a request whose answer will not come."""
    return [_unanswered(claimed, why) for claimed in request.calls]


def _unanswered(claimed: ClaimedCall, why: str) -> CallResult:
    return CallResult(claimed.call.call_id, ResultKind.UNKNOWN, code="no_answer", message=why[:500])
