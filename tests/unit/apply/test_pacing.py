"""The gate: requests in flight, rate and Retry-After, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.apply.pacing.backoff import delay
from agent.apply.pacing.gate import Gate, GateClosed
from agent.apply.pacing.window import Window
from cdc_config.profile import Limits


class FakeClock:
    """Time that passes only when everyone sleeps and the test says so."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return datetime(2024, 5, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (self.time + seconds, id(future), future))
        await future

    async def advance(self, seconds: float) -> None:
        end = self.time + seconds
        await _settle()
        while self.sleepers and self.sleepers[0][0] <= end:
            self.time, _, future = heapq.heappop(self.sleepers)
            future.set_result(None)
            await _settle()
        self.time = end


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@given(
    st.integers(1, 5),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 3), max_size=40),
)
def test_no_window_of_time_ever_holds_more_requests_than_allowed(
    requests: int, seconds: float, pauses: list[float]
) -> None:
    window, now, starts = Window(requests, seconds), 0.0, []
    for pause in pauses:
        now += pause
        now += window.wait(now)
        window.start(now)
        starts.append(now)
    for early, late in zip(starts, starts[requests:], strict=False):
        assert late - early >= seconds * (1 - 1e-9)


@given(st.integers(1, 10**6), st.floats(0, 0.999))
def test_backoff_grows_and_is_bounded(attempt: int, dice: float) -> None:
    assert 0.125 <= delay(attempt, dice) <= 60
    assert delay(attempt, dice) <= delay(attempt + 1, dice)


async def test_only_so_many_requests_are_in_flight() -> None:
    gate, running, most = Gate(Limits(concurrency=3), FakeClock()), 0, 0
    release = asyncio.Event()

    async def request() -> None:
        nonlocal running, most
        async with gate.passage():
            running += 1
            most = max(most, running)
            await release.wait()
            running -= 1

    tasks = [asyncio.create_task(request()) for _ in range(10)]
    await _settle()
    assert running == 3
    release.set()
    await asyncio.gather(*tasks)
    assert most == 3


async def test_a_closed_gate_refuses_at_once_and_says_when_it_opens() -> None:
    clock = FakeClock()
    gate = Gate(Limits(), clock)
    gate.close(clock.now() + timedelta(seconds=30))
    gate.close(clock.now() + timedelta(seconds=10))  # a shorter one does not open it sooner
    with pytest.raises(GateClosed) as caught:
        async with gate.passage():
            pass
    assert caught.value.until == clock.now() + timedelta(seconds=30)


async def test_one_who_waits_for_a_slot_does_not_leave_when_the_gate_closed_meanwhile() -> None:
    clock = FakeClock()
    gate = Gate(Limits(concurrency=1), clock)
    async with gate.passage():
        waiting = asyncio.create_task(_pass(gate))
        await _settle()
        gate.close(clock.now() + timedelta(seconds=5))
    with pytest.raises(GateClosed):
        await waiting


async def test_one_who_waits_for_the_rate_does_not_leave_when_the_gate_closed_meanwhile() -> None:
    clock = FakeClock()
    gate = Gate(Limits(requests=1, window_seconds=2), clock)
    await _pass(gate)
    waiting = asyncio.create_task(_pass(gate))
    await clock.advance(1)
    gate.close(clock.now() + timedelta(seconds=5))
    await clock.advance(1)
    with pytest.raises(GateClosed):
        await waiting


async def test_the_patient_wait_until_it_opens() -> None:
    clock = FakeClock()
    gate = Gate(Limits(), clock)
    gate.close(clock.now() + timedelta(seconds=5))
    waiting = asyncio.create_task(_pass(gate, patience=60))
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.2)
    await waiting


async def test_a_queue_longer_than_a_lease_is_handed_back() -> None:
    gate = Gate(Limits(requests=1, window_seconds=300), FakeClock())
    await _pass(gate)
    with pytest.raises(GateClosed):
        await _pass(gate)


async def _pass(gate: Gate, patience: float = 0.0) -> None:
    async with gate.passage(patience):
        pass
