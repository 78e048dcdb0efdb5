"""The template of every loop: step, wait, back off; errors are logged once, here, by what their disposition says."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psycopg

from agent.errors import CoexistError, Disposition, LostPosition
from agent.observe.health import Loop
from agent.ports import Observer

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 10.0


class Backoff:
    """How long to wait after the n-th failure in a row; it never sleeps itself."""

    def __init__(self) -> None:
        self._failures = 0

    def failed(self) -> float:
        """Seconds to wait now."""
        self._failures += 1
        pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        return pause * random.uniform(0.7, 1.3)

    def worked(self) -> None:
        """The next failure starts from the beginning."""
        self._failures = 0


class Stop:
    """The daemon's one decision to end: asked for, or forced by an error that makes going on unsafe."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self.reason: CoexistError | None = None

    def set(self, reason: CoexistError | None = None) -> None:
        """End; the first reason wins."""
        with self._lock:
            if reason is not None and self.reason is None:
                self.reason = reason
            callbacks = list(self._callbacks)
        self._event.set()
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Has it been decided?"""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for it at most that long."""
        return self._event.wait(seconds)

    def on_set(self, callback: Callable[[], None]) -> None:
        """Called when the decision falls (at once if it has fallen)."""
        with self._lock:
            self._callbacks.append(callback)
        if self.is_set():
            callback()


def supervise(name: str, work: Callable[[], None], stop: Stop, observer: Observer, loop: Loop) -> None:
    """Run `work` until it returns or the daemon ends; begin again after what can be retried.

    `work` sets up its own connections, loops until `stop`, and raises what it cannot handle.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            work()
            return
        except LostPosition as error:
            observer.event("info", "position moved, starting again", loop=name, error=str(error))
            pause = backoff.failed()
        except CoexistError as error:
            observer.count("loop_errors", loop=name, disposition=error.disposition.value)
            if error.disposition is Disposition.STOP:
                observer.event("error", "stopping", loop=name, error=str(error))
                stop.set(error)
                return
            observer.event("warning", "will try again", loop=name, error=str(error))
            loop.stuck(error.what)
            pause = backoff.failed()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            observer.count("loop_errors", loop=name, disposition="retry")
            observer.event("warning", "store connection lost", loop=name, error=type(error).__name__)
            loop.stuck("store connection lost")
            pause = backoff.failed()
        except Exception as error:
            observer.count("loop_errors", loop=name, disposition="stop")
            observer.event(
                "error",
                "unexpected error",
                loop=name,
                error=f"{type(error).__name__}: {error}",
                exc_info=True,
            )
            stop.set(
                CoexistError(
                    f"unexpected error in {name}: {type(error).__name__}: {error}", remedy="see the log"
                )
            )
            return
        stop.wait(pause)
