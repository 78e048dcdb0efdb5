"""Activity on a loaded PSA book: see sandbox.users; here over PyMySQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from contextlib import closing

import pymysql

from sandbox.planning import Statement
from sandbox.psa.connect import connect, execute
from sandbox.psa.model import Book
from sandbox.psa.operations import OPERATIONS
from sandbox.users import Step as Step
from sandbox.users import Totals as Totals
from sandbox.users import Users


class _Session:
    def __init__(self, dsn: str) -> None:
        self._conn = connect(dsn)
        # Gaps are not locked under this level, so transactions that touch different rows never wait for one another.
        # One that waits would wait for ever: the same thread works on all of them.
        execute(self._conn, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        execute(self._conn, "SET SESSION innodb_lock_wait_timeout = 2")
        self.commit, self.rollback = self._conn.commit, self._conn.rollback

    def execute(self, statement: Statement) -> int:
        """Run it in the open transaction."""
        return execute(self._conn, statement.sql, statement.parameters)

    def close(self) -> None:
        """Release it, also where the server is gone."""
        with contextlib.suppress(pymysql.Error):
            self._conn.close()


class Activity(Users[Book]):
    """Users of the PSA system at work. weights and rolled_back: as in Users."""

    def __init__(
        self,
        dsn: str,
        *,
        seed: int = 1,
        weights: Mapping[str, float] | Iterable[str] | None = None,
        connections: int = 3,
        rolled_back: float = 0.03,
        working_set: int = 500,
    ) -> None:
        with closing(connect(dsn, autocommit=True)) as conn:
            book = Book.read(conn, seed, working_set)
        sessions = (_Session(dsn) for _ in range(connections))
        super().__init__(book, sessions, OPERATIONS, seed=seed, weights=weights, rolled_back=rolled_back)

    def __enter__(self) -> Activity:
        return self
