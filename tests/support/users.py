"""Users of the legacy system at work in a thread, so that whatever is killed is killed under load."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import psycopg

from sandbox.legacy.activity import Activity
from sandbox.legacy.operations import OPERATIONS
from tests.support.processes import wait_until

# The usual mix, with more of what is hard to do exactly once: posting, payments without a key, changes of keys.
HARD: Mapping[str, float] = {name: weight for name, (_, weight) in OPERATIONS.items()} | {
    "post": 16, "post_and_void": 4, "posted_fix": 3, "draft_new": 14, "payment_new": 14, "payment_allocate": 4,
    "customer_renumber": 4, "draft_renumber": 3, "customer_comes_back": 3,
}  # fmt: skip


class Users:
    """`with Users(dsn, seed=3) as users:` works at `rate` until the block ends; then nothing is open."""

    def __init__(
        self, dsn: str, *, seed: int, rate: float = 40.0, weights: Mapping[str, float] = HARD,
        survive: bool = False,
    ) -> None:  # fmt: skip
        self._dsn = dsn
        self._seed = seed
        self._rate = rate
        self._weights = weights
        self._survive = survive
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._committed = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="users", daemon=True)

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def committed(self) -> int:
        """Transactions that were committed so far."""
        with self._lock:
            return self._committed

    @property
    def at_work(self) -> bool:
        """Neither stopped nor failed."""
        return self._thread.is_alive() and not self._done.is_set()

    def go_on(self, transactions: int, seconds: float = 30.0) -> None:
        """Wait until that many more are committed."""
        wanted = self.committed + transactions
        wait_until(f"{transactions} more transactions were committed", lambda: self._enough(wanted), seconds)

    def stop(self) -> int:
        """End what is under way; returns how many were committed."""
        self._done.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the users do not end"
        if self._failure is not None:
            raise self._failure
        return self.committed

    def _enough(self, wanted: int) -> bool:
        if self._failure is not None:
            raise self._failure
        return self.committed >= wanted

    def _run(self) -> None:
        try:
            number = 0
            while not self._done.is_set():
                self._session(number)
                number += 1
        except BaseException as error:
            self._failure = error

    def _session(self, number: int) -> None:
        """One set of connections; where the server may be crashed, users log in again afterwards."""
        try:
            with Activity(self._dsn, seed=1000 * self._seed + number, weights=self._weights) as activity:
                while not self._done.is_set():
                    if activity.step().committed:
                        with self._lock:
                            self._committed += 1
                    self._done.wait(1 / self._rate)
        except psycopg.OperationalError:
            if not self._survive:
                raise
            time.sleep(0.05)
