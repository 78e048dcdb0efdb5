"""The users of both legacy systems, each at work in a thread, whatever happens to anything else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from sandbox.legacy.activity import Activity as Finance
from sandbox.psa.activity import Activity as Psa
from sandbox.users import Totals


class _Activity(Protocol):
    totals: Totals

    def run(self, rate: float, seconds: float, stop: Callable[[], bool]) -> Totals: ...

    def close(self) -> None: ...


class FirmUsers:
    """Start, read `committed`, stop. What they did stands in the legacy databases alone."""

    def __init__(self, finance_dsn: str, psa_dsn: str, *, seed: int, rate: float) -> None:
        self._activities: list[_Activity] = [Finance(finance_dsn, seed=seed), Psa(psa_dsn, seed=seed)]
        self._rate = rate
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(activity,), name="users", daemon=True) for activity in self._activities
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def committed(self) -> int:
        """Transactions committed so far, in both."""
        return sum(activity.totals.committed for activity in self._activities)

    def stop(self) -> None:
        """End what is under way; raises what went wrong meanwhile."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(30)
        for activity in self._activities:
            activity.close()
        if self._failures:
            raise self._failures[0]

    def _work(self, activity: _Activity) -> None:
        try:
            activity.run(self._rate, 86_400, self._stop.is_set)
        except BaseException as error:
            self._failures.append(error)
