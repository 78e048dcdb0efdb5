"""Service protection: so many requests per fixed window, and who came back too early."""

from __future__ import annotations

import math
import time

from sandbox.erp.config import Settings
from sandbox.erp.errors import Refused


class Throttle:
    """Counts requests in fixed windows."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.throttled = 0
        self.inside_retry_after = 0
        self._window = 0.0
        self._used = 0
        self._told_until = 0.0

    def told(self, seconds: float | None) -> None:
        """A client was told to come back after so many seconds."""
        self.throttled += 1
        if seconds is not None:
            self._told_until = max(self._told_until, time.monotonic() + seconds)

    def check(self) -> Refused | None:
        """Count one request; the refusal if it is one too many."""
        now = time.monotonic()
        if now < self._told_until:
            self.inside_retry_after += 1
        if self.settings.rate is None:
            return None
        requests, seconds = self.settings.rate
        if now - self._window >= seconds:
            self._window, self._used = now, 0
        self._used += 1
        if self._used <= requests:
            return None
        wait = max(1, math.ceil(self._window + seconds - now))
        if not self.settings.retry_after:
            self.told(None)
            return Refused(429, "Too many requests. The request was throttled.")
        self.told(self._window + seconds - now)
        return Refused(
            429, "Too many requests. The request was throttled.", headers=(("Retry-After", str(wait)),)
        )
