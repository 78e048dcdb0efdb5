"""Is the process alive? Judged by progress: a loop that has work and gets nowhere is dead, whatever it
still prints.

Given the clock, so that tests need not wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

Clock = Callable[[], float]


@dataclass(slots=True)
class Loop:
    """One loop's reports. `stalled_since` is set while it has work and makes no progress."""

    name: str
    patience: float  # seconds a loop with work may take for one step
    silence: (
        float | None
    )  # seconds after which a loop that reports nothing at all counts as dead; None: never
    clock: Clock
    last_report: float = 0.0
    stalled_since: float | None = None
    note: str = ""

    def progressed(self, *, has_work: bool = True) -> None:
        """A step was done. has_work: the next one starts at once; else the loop goes to wait for work."""
        now = self.clock()
        self.last_report = now
        self.stalled_since = now if has_work else None
        self.note = ""

    def working(self) -> None:
        """A step begins: from here on it must get somewhere."""
        if self.stalled_since is None:
            self.stalled_since = self.clock()

    def stuck(self, note: str) -> None:
        """There is work and it could not be done (a store or source that cannot be reached)."""
        now = self.clock()
        self.last_report = now
        self.note = note
        if self.stalled_since is None:
            self.stalled_since = now

    def idle(self) -> None:
        """Nothing to do: no progress is expected."""
        self.progressed(has_work=False)

    def stalled_for(self) -> float:
        """Seconds without progress while there was work."""
        return 0.0 if self.stalled_since is None else max(0.0, self.clock() - self.stalled_since)

    def complaint(self) -> str | None:
        """Why this loop counts as dead, or None."""
        stalled = self.stalled_for()
        if stalled > self.patience:
            return f"{self.name}: no progress for {stalled:.0f} s" + (f" ({self.note})" if self.note else "")
        quiet = self.clock() - self.last_report
        if self.silence is not None and quiet > self.silence:
            return f"{self.name}: no sign of life for {quiet:.0f} s"
        return None


@dataclass(slots=True)
class Health:
    """All loops, and what must be true before the process counts as ready."""

    clock: Clock = time.monotonic
    loops: dict[str, Loop] = field(default_factory=dict)
    _waiting: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def loop(self, name: str, *, patience: float = 60.0, silence: float | None = None) -> Loop:
        """Register a loop; it starts idle."""
        with self._lock:
            loop = Loop(name, patience, silence, self.clock, last_report=self.clock())
            self.loops[name] = loop
            return loop

    def forget(self, name: str) -> None:
        """A loop ended on purpose."""
        with self._lock:
            self.loops.pop(name, None)

    def not_ready(self, name: str, why: str) -> None:
        """Something must still happen before work is done here."""
        with self._lock:
            self._waiting[name] = why

    def ready(self, name: str) -> None:
        """It has happened."""
        with self._lock:
            self._waiting.pop(name, None)

    def complaints(self) -> list[str]:
        """Why the process is not alive; empty when it is."""
        with self._lock:
            loops = list(self.loops.values())
        return [text for loop in loops if (text := loop.complaint()) is not None]

    def missing(self) -> list[str]:
        """Why the process is not ready; empty when it is."""
        with self._lock:
            return [f"{name}: {why}" for name, why in self._waiting.items()]
