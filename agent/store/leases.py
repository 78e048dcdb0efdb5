"""What only one of several replicas may do at a time: a lease in the store, held by a session and kept by a thread.

A lease is free when it was given back, when it ran out, or at once when the session that does the work is gone. So a killed
replica is replaced within a second, one that sleeps (stopped, paused, swapped out) when its lease runs out; the session of
one that sleeps is ended by its successor, so that none of its locks holds anybody up and nothing of it is committed later.
A lease makes two at a time unlikely; what makes them harmless is that each checks the store's position or fence itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg

from agent.errors import LostPosition
from agent.store.queries import queries

_SQL = queries("agent.store", "leases")
Connect = Callable[[], psycopg.Connection[Any]]


class Lease:
    """`with Lease(…) as lease:` tries, keeps and gives back. conn: the session that does the work.

    holder: a word for people. on_lost: called by another thread when the lease could not be kept.
    """

    def __init__(
        self, conn: psycopg.Connection[Any], connect: Connect, name: str, holder: str, seconds: float,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._conn, self._connect, self._name, self._holder = conn, connect, name, holder
        self._seconds, self._on_lost = seconds, on_lost
        self._fence: int | None = None
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None
        self.lost = False

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        if self._fence is not None and not self._conn.broken and not self._conn.closed:
            try:
                self._conn.execute(_SQL["give_back"], {"name": self._name, "fence": self._fence})
            except psycopg.Error:
                return  # it runs out, or is free already because this session is gone

    def take(self) -> bool:
        """Whether it is ours from now on. Raises psycopg.Error."""
        arguments = {"name": self._name, "holder": self._holder, "seconds": self._seconds}
        row = self._conn.execute(_SQL["take"], arguments).fetchone()
        if row is None:
            return False
        self._fence = int(row[0])
        self._keeper = threading.Thread(target=self._keep, name=f"lease {self._name}", daemon=True)
        self._keeper.start()
        return True

    def check(self) -> None:
        """Raise LostPosition when somebody else has it by now."""
        if self.lost:
            raise LostPosition(f"another replica has taken {self._name}", where=self._holder)

    def _keep(self) -> None:
        # On a connection of its own: a step of the work may take longer than the lease.
        conn: psycopg.Connection[Any] | None = None
        while not self._ended.wait(self._seconds / 4):
            try:
                if conn is None or conn.closed:
                    conn = self._connect()
                arguments = {"name": self._name, "fence": self._fence, "seconds": self._seconds}
                if conn.execute(_SQL["renew"], arguments).rowcount == 0:
                    self.lost = True
            except psycopg.Error:
                # Not lost for that: the store may be away for all replicas. The next try tells.
                if conn is not None:
                    conn.close()
                conn = None
            if self.lost:
                self._on_lost()
                break
        if conn is not None:
            conn.close()


def holder_of(conn: psycopg.Connection[Any], name: str) -> str | None:
    """Who holds a lease now; None: nobody."""
    row = conn.execute(_SQL["held"], {"name": name}).fetchone()
    return None if row is None else str(row[0])
