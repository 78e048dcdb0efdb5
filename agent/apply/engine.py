"""The loops around the steps: several requests in flight, ordered per record, woken at once, stopped cleanly.

Tasks of one event loop: one claims ahead of the senders, `concurrency` of them send, one asks, one keeps
house. Checks and outcomes are committed in groups. A claim that is not sent costs nothing (it is given
back), so claiming ahead is safe.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from agent.apply.grouped import Grouped
from agent.apply.worker import Results, Worker, unknown
from agent.errors import CoexistError, Disposition, StoreUnavailable
from agent.model.apply import Claimed, ClaimedRequest
from agent.model.commands import ResultKind
from agent.ports import Observer

_POLL = 0.5
_MOST_CLAIMED = 1000
_BACKOFF = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class EngineSettings:
    """concurrency: requests in flight. batch: most calls in one request. grace: seconds a stop waits for
    answers.
    """

    target: str
    concurrency: int
    batch: int
    lease_seconds: float = 30.0
    grace: float = 10.0
    sources: tuple[str, ...] = ()
    tenant: str | None = None


class Engine:
    """Applies one target's commands until it is stopped."""

    def __init__(
        self, worker: Worker, settings: EngineSettings, now: Callable[[], datetime], observer: Observer
    ) -> None:
        self._worker = worker
        self._settings = settings
        self._now = now
        self._observer = observer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake, self._ask = asyncio.Event(), asyncio.Event()
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._queue: asyncio.Queue[ClaimedRequest] = asyncio.Queue()
        self._open: set[int] = set()  # claimed requests whose outcome is not recorded yet
        self._doubt = False  # a claim did not answer: it may have been committed
        self._sending: dict[int, ClaimedRequest] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._outages = 0
        self._rest_until = 0.0
        self._check = Grouped(self._check_many, 256)
        self._record = Grouped(self._record_many, 64)
        self.progress = 0.0  # loop time of the last completed step, for liveness
        self.state = "starting"  # one sentence for people

    # ------------------------------------------------------------------------------------------ from outside

    def wake(self) -> None:
        """There may be new commands. From any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to wake
                self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        """Claim nothing more, wait for answers (bounded), record them, end. From any thread."""
        if self._loop is None:
            self._stopping.set()  # not begun yet: it will not begin
        else:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._begin_stop)

    @property
    def in_flight(self) -> int:
        """Claimed requests whose outcome is not recorded yet."""
        return len(self._open)

    async def run(self) -> None:
        """Work until stopped; raises what makes going on unsafe."""
        self._loop = asyncio.get_running_loop()
        if self._stopping.is_set() or not await self._begin():
            return
        senders = [asyncio.create_task(self._send_loop()) for _ in range(self._settings.concurrency)]
        loops = [
            asyncio.create_task(self._forever("claim", self._claim_step)),
            asyncio.create_task(self._forever("ask", self._ask_step)),
            asyncio.create_task(self._forever("keep house", self._house_step())),
        ]
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stopped, *loops, *senders], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._begin_stop()
            failed = await self._drain(loops, senders)
            stopped.cancel()
        if failed is not None:
            raise failed

    # ------------------------------------------------------------------------------------------ start, stop

    async def _begin(self) -> bool:
        """Take over what our last boot left, and wait for the baseline. False: stopped meanwhile."""
        await self._patiently("check the tenant", self._worker.target.check_tenant)
        freed, lost = await self._patiently("take over", self._worker.outbox.take_over)
        if freed or lost:
            self._observer.event("info", "took over", target=self._settings.target, freed=freed, unknown=lost)
        while not self._stopping.is_set():
            if await self._patiently("baseline", self._baseline):
                self.state = "applying"
                return True
            self.state = "waiting: baseline"
            await self._pause(_POLL, self._wake)
        return False

    async def _baseline(self) -> bool:
        port, settings = self._worker.target, self._settings
        return await self._worker.outcomes.baseline(port, settings.sources, settings.tenant)

    def _begin_stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._ask.set()
        self._room.set()

    async def _drain(
        self, loops: Sequence[asyncio.Task[None]], senders: Sequence[asyncio.Task[None]]
    ) -> BaseException | None:
        self.state = "stopping"
        for task in loops:
            task.cancel()
        ended: list[Any] = await asyncio.gather(*loops, return_exceptions=True)
        await self._give_back()
        if self._sending:
            await asyncio.wait(senders, timeout=self._settings.grace)
        if self._finishing:
            await asyncio.wait(set(self._finishing), timeout=self._settings.grace)
        for task in self._finishing:
            task.cancel()
        # What is still out there will be asked about; said now, so that nobody takes us for frozen.
        left = list(self._sending.values())
        for sender in senders:
            sender.cancel()
        ended += await asyncio.gather(*senders, return_exceptions=True)
        for request in left:
            lost = unknown(request, "stopped before the answer came")
            results = list(zip(request.calls, lost, strict=True))
            with suppress(psycopg.Error, CoexistError):
                await self._worker.record([(request, results)])
        if self._failure is not None:
            return self._failure
        return next((e for e in ended if isinstance(e, BaseException) and not _cancelled(e)), None)

    async def _give_back(self) -> None:
        unsent = []
        while not self._queue.empty():
            unsent.append(self._queue.get_nowait().request_id)
        if unsent:
            with suppress(psycopg.Error, CoexistError):  # else the next boot takes them over
                await self._worker.outbox.release(unsent)
        self._open.difference_update(unsent)

    # ------------------------------------------------------------------------------------------ claim

    async def _claim_step(self) -> None:
        settings = self._settings
        ahead = 2 * settings.concurrency
        await self._rest()
        if len(self._open) >= ahead:
            self._room.clear()
            await self._room.wait()
            return
        self._wake.clear()
        room = (2 * ahead if settings.batch == 1 else ahead) - len(self._open)
        limit = min(_MOST_CLAIMED, room * settings.batch)
        claimed = await self._claim(limit)
        for request in claimed.requests:
            self._queue.put_nowait(request)
        self._step("claimed", sum(len(r.calls) for r in claimed.requests))
        if claimed.looked < limit:
            await self._pause(_POLL, self._wake)

    async def _claim(self, limit: int) -> Claimed:
        """Claim; what a lost answer left claimed in our name, and nobody would send, is given back first."""
        if self._doubt:
            await self._worker.outbox.release_strays(list(self._open))
        self._doubt = True
        claimed = await self._worker.claim(limit)
        self._doubt = False
        self._open.update(r.request_id for r in claimed.requests)
        return claimed

    async def _rest(self) -> None:
        """After requests that did not even reach the target: one moment for all, not one per record."""
        delay = self._rest_until - asyncio.get_running_loop().time()
        if delay > 0:
            self.state = "resting: the target was not reached"
            await self._pause(delay, self._stopping)
            self.state = "applying"

    # ------------------------------------------------------------------------------------------ send, record

    async def _send_loop(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            request = await self._next_request()
            if request is None:
                return
            await self._send_one(request)

    async def _next_request(self) -> ClaimedRequest | None:
        if self._queue.empty():
            got = asyncio.create_task(self._queue.get())
            stop = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait([got, stop], return_when=asyncio.FIRST_COMPLETED)
                return got.result() if got.done() else None
            finally:
                got.cancel()
                stop.cancel()
        return self._queue.get_nowait()

    async def _send_one(self, request: ClaimedRequest) -> None:
        if not await self._stubbornly("check", lambda: self._check(request)):
            self._ended(request)
            return
        self._sending[request.request_id] = request
        results = await self._worker.perform(request)
        del self._sending[request.request_id]
        self._count_outage(results)
        # Recorded beside the next request: the slot is for the network.
        task = asyncio.create_task(self._finish(request, results))
        self._finishing.add(task)
        task.add_done_callback(self._finished)

    async def _finish(self, request: ClaimedRequest, results: Results) -> None:
        # An answer is kept until the store has it: it exists nowhere else.
        await self._stubbornly("record", lambda: self._record((request, results)))
        self._ended(request)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._finishing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._begin_stop()

    def _ended(self, request: ClaimedRequest) -> None:
        self._open.discard(request.request_id)
        self._room.set()

    async def _check_many(self, requests: Sequence[ClaimedRequest]) -> Sequence[bool]:
        allowed = {r.request_id for r in await self._worker.check(requests)}
        return [r.request_id in allowed for r in requests]

    async def _record_many(self, done: Sequence[tuple[ClaimedRequest, Results]]) -> Sequence[None]:
        recorded = await self._worker.record(done)
        self._step("recorded", recorded.moved)
        for _, results in done:
            self._observe(results)
        for moment in (recorded.due, recorded.hold_until):
            if moment is not None:
                self._wake_at(moment)
        if recorded.stopped:
            self._observer.event("error", recorded.stopped, target=self._settings.target)
        self._wake.set()
        return [None] * len(done)

    def _observe(self, results: Results) -> None:
        kinds: dict[tuple[str, str], int] = {}
        for claimed, result in results:
            kind = (claimed.call.key.object, result.kind.value)
            kinds[kind] = kinds.get(kind, 0) + 1
            if result.kind in (ResultKind.CONFLICT, ResultKind.UNKNOWN):
                self._ask.set()
        for (name, kind_of), n in kinds.items():
            self._observer.count("calls", n, target=self._settings.target, object=name, kind=kind_of)

    def _count_outage(self, results: Results) -> None:
        reached = any(r.kind is not ResultKind.RETRY or r.status is not None for _, r in results)
        self._outages = 0 if reached else self._outages + 1
        if self._outages:
            wait = _BACKOFF[min(self._outages, len(_BACKOFF)) - 1] * (0.5 + random.random())
            self._rest_until = asyncio.get_running_loop().time() + wait

    # ------------------------------------------------------------------------------------------ ask, keep
    # house

    async def _ask_step(self) -> None:
        self._ask.clear()
        asked = await self._worker.ask(4 * self._settings.concurrency)
        self._step("asked", asked)
        if asked:
            self._wake.set()
        else:
            await self._pause(_POLL, self._ask)

    def _house_step(self) -> Callable[[], Awaitable[None]]:
        lease = self._settings.lease_seconds
        due = {"tidy": 0.0, "lease": lease / 3, "recheck": lease}
        every = {"tidy": 1.0, "lease": lease / 3, "recheck": lease}
        start = asyncio.get_running_loop().time()

        async def step() -> None:
            now = asyncio.get_running_loop().time() - start
            outbox = self._worker.outbox
            freed = 0
            if now >= due["lease"]:
                await outbox.renew()
                freed += sum(await outbox.take_over())
                due["lease"] = now + every["lease"]
            if now >= due["tidy"]:
                freed += await outbox.tidy()
                due["tidy"] = now + every["tidy"]
            if now >= due["recheck"]:
                freed += await outbox.recheck()
                due["recheck"] = now + every["recheck"]
            if freed:
                self._wake.set()
            await self._pause(min(due.values()) - now, self._stopping)

        return step

    # ------------------------------------------------------------------------------------------ small parts

    def _step(self, what: str, n: int) -> None:
        self.progress = asyncio.get_running_loop().time()
        if n:
            self._observer.count(what, n, target=self._settings.target)

    def _wake_at(self, moment: datetime) -> None:
        delay = max(0.0, (moment - self._now()).total_seconds()) + 0.005
        asyncio.get_running_loop().call_later(delay, self._wake.set)

    async def _pause(self, seconds: float, until: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), max(0.0, seconds))

    async def _forever(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            await self._patiently(what, step)

    async def _patiently(self, what: str, step: Callable[[], Awaitable[Any]]) -> Any:
        """Do it; while the store or the target is away, back off and try again until stopped."""
        return await self._retry(what, step, self._stopping)

    async def _stubbornly(self, what: str, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do it, stopping or not: the drain bounds it."""
        return await self._retry(what, step, None)

    async def _retry(self, what: str, step: Callable[[], Awaitable[Any]], until: asyncio.Event | None) -> Any:
        for attempt in range(1_000_000):
            try:
                return await step()
            except (psycopg.OperationalError, StoreUnavailable, OSError, CoexistError) as error:
                if isinstance(error, CoexistError) and error.disposition is not Disposition.RETRY:
                    raise
                if until is not None and until.is_set():
                    raise
                # Raised inside, logged once here.
                self._observer.event("warning", f"{what}: {error}", target=self._settings.target)
                await self._pause(_BACKOFF[min(attempt, len(_BACKOFF) - 1)], until or asyncio.Event())
        raise AssertionError("unreachable")


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError)
