"""The session's working tables: filled and emptied within one transaction, so that every step finds them empty.

Emptied by hand, because ON COMMIT DELETE ROWS truncates every such table of the session, used or not, with all its files,
at every commit: 50 ms for a dozen of them where deleting a few rows takes less than one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import psycopg

# Deleted rows leave their room behind; past so many a table is made anew (and its row numbers begin at one again).
_WORN = 50_000
WHOLE = _WORN  # `rows` of a table that may hold any number of them


class WorkingTables:
    """Which of them hold rows of the transaction in hand, and how worn each is."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        self._filled: dict[str, None] = {}
        self._worn: Counter[str] = Counter()

    def use(self, names: Iterable[str]) -> None:
        """These will hold rows until `empty`."""
        self._filled.update(dict.fromkeys(names))

    def empty(self, rows: int) -> None:
        """Empty what was filled; `rows`: as many as each may have held."""
        if not self._filled:
            return
        statements = []
        for name in self._filled:
            self._worn[name] += rows
            worn = self._worn[name] >= _WORN
            statements.append(f"TRUNCATE {name} RESTART IDENTITY" if worn else f"DELETE FROM {name}")
            if worn:
                self._worn[name] = 0
        self._conn.execute("; ".join(statements).encode(), prepare=False)
        self._filled.clear()

    def forget(self) -> None:
        """The transaction was aborted, and what it filled is empty again."""
        self._filled.clear()
