"""The legacy system's users, at work in a thread, whatever happens to the agent."""

from __future__ import annotations

import threading

from sandbox.legacy.activity import Activity


class Users:
    """Start, read `committed`, stop. What they did stands in the legacy database alone."""

    def __init__(self, dsn: str, *, seed: int, rate: float) -> None:
        self._activity = Activity(dsn, seed=seed)
        self._rate = rate
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="users", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def committed(self) -> int:
        """Transactions committed so far."""
        return self._activity.totals.committed

    def stop(self) -> None:
        """End what is under way; raises what went wrong meanwhile."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(30)
        self._activity.close()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            self._activity.run(self._rate, 86_400, self._stop.is_set)
        except BaseException as error:
            self._failure = error
