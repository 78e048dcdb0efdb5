"""The store's clock: one time for all replicas, asked for now and then and carried on by the monotonic
clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg


class StoreClock:
    """Call it for the store's time. Before the first `sync` it is this machine's."""

    def __init__(self) -> None:
        self._at = datetime.now(UTC)
        self._mono = time.monotonic()

    def __call__(self) -> datetime:
        """The store's time, as far as we know."""
        return self._at + timedelta(seconds=time.monotonic() - self._mono)

    async def sync(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Ask the store."""
        before = time.monotonic()
        row = await (await conn.execute("SELECT clock_timestamp()")).fetchone()
        if row:
            self._at, self._mono = row[0], (before + time.monotonic()) / 2
