"""Activity on a loaded book: see sandbox.users; here over psycopg."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

import psycopg

from sandbox.legacy.model import Book
from sandbox.legacy.operations import OPERATIONS
from sandbox.planning import Statement
from sandbox.users import Step as Step
from sandbox.users import Totals as Totals
from sandbox.users import Users


class _Session:
    def __init__(self, dsn: str) -> None:
        self._conn = psycopg.connect(dsn)
        self.commit, self.rollback = self._conn.commit, self._conn.rollback

    def execute(self, statement: Statement) -> int:
        """Run it in the open transaction."""
        return self._conn.execute(statement.sql, statement.parameters).rowcount

    def close(self) -> None:
        """Release it, also where the server is gone."""
        with contextlib.suppress(psycopg.Error):
            self._conn.close()


class Activity(Users[Book]):
    """Users of the old system at work. weights and rolled_back: as in Users."""

    def __init__(
        self,
        dsn: str,
        *,
        seed: int = 1,
        weights: Mapping[str, float] | Iterable[str] | None = None,
        connections: int = 3,
        rolled_back: float = 0.03,
        working_set: int = 2000,
    ) -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            book = Book.read(conn, seed, working_set)
        sessions = (_Session(dsn) for _ in range(connections))
        super().__init__(book, sessions, OPERATIONS, seed=seed, weights=weights, rolled_back=rolled_back)

    def __enter__(self) -> Activity:
        return self
