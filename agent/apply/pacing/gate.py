"""The one gate that all requests of a target pass: requests in flight, per window, Retry-After."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from agent.apply.pacing.clock import Clock
from agent.apply.pacing.window import Window
from cdc_config.profile import Limits

_LONGEST_QUEUE = 5.0  # seconds to wait for the request rate, before a caller's lease runs out


class GateClosed(Exception):
    """Nothing was sent, and nothing may be before `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"closed until {until.isoformat()}")
        self.until = until


class Gate:
    """Shared by all requests of one target. Closing it stops every request that has not left yet."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._window = Window(limits.requests, limits.window_seconds)
        self._open_at = 0.0

    def close(self, until: datetime) -> None:
        """Let nothing leave before `until`. The latest moment counts."""
        seconds = (until - self._clock.now()).total_seconds()
        self._open_at = max(self._open_at, self._clock.monotonic() + seconds)

    def closed_for(self) -> float:
        """Seconds until it opens; 0 when it is open."""
        return max(0.0, self._open_at - self._clock.monotonic())

    def check(self, patience: float = 0.0) -> None:
        """Raise GateClosed unless it opens within `patience` seconds."""
        seconds = self.closed_for()
        if seconds > patience:
            raise GateClosed(self._clock.now() + timedelta(seconds=seconds))

    @asynccontextmanager
    async def passage(self, patience: float = 0.0) -> AsyncIterator[None]:
        """Hold one of the slots. Raises GateClosed when it is, or becomes while waiting, closed for too long.

        Between the last check and the body of the `async with` nothing is awaited.
        """
        self.check(patience)
        async with self._slots:
            while True:
                self.check(patience)
                now = self._clock.monotonic()
                queue = self._window.wait(now)
                if queue > max(patience, _LONGEST_QUEUE):
                    raise GateClosed(self._clock.now() + timedelta(seconds=queue))
                wait = max(self._open_at - now, queue)
                if wait <= 0:
                    break
                await self._clock.sleep(wait)
            self._window.start(now)
            yield
