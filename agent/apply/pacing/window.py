"""At most so many requests in any window of so many seconds. Pure: told the time."""

from __future__ import annotations

from collections import deque


class Window:
    """A sliding log of the last `requests` starts; exact, where a bucket would let twice as many through at
    an edge."""

    def __init__(self, requests: int | None, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._starts: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until another request may start; 0 when it may now."""
        if self._requests is None or len(self._starts) < self._requests:
            return 0.0
        return max(0.0, self._starts[0] + self._seconds - now)

    def start(self, now: float) -> None:
        """A request starts now."""
        if self._requests is not None:
            if len(self._starts) >= self._requests:
                self._starts.popleft()
            self._starts.append(now)
