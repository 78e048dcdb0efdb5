"""Inbox → outbox: one deriver per source, woken by intake, pruning what it has passed when it has nothing else to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from agent.daemon.loop import Stop
from agent.daemon.replicas import holder, stand_by
from agent.derive.deriver import Deriver
from agent.observe.health import Loop
from agent.ports import Observer
from agent.store.leases import Lease

_PRUNE_ROWS = 50_000


class DeriveLoop:
    """`work` is what the supervisor runs: a fresh connection, the source's lease, a deriver, then steps until the daemon ends.

    lease_seconds: after which another replica may take over from one that sleeps.
    """

    def __init__(
        self, source: str, connect: Callable[[], psycopg.Connection[Any]],
        make_deriver: Callable[[psycopg.Connection[Any]], Deriver], stop: Stop, observer: Observer, loop: Loop,
        lease_seconds: float = 30.0,
    ) -> None:  # fmt: skip
        self._lease_seconds = lease_seconds
        self._source = source
        self._connect = connect
        self._make_deriver = make_deriver
        self._stop = stop
        self._observer = observer
        self._loop = loop
        self._wake = threading.Event()
        stop.on_set(self._wake.set)

    def wake(self) -> None:
        """There may be something to derive."""
        self._wake.set()

    def work(self) -> None:
        """Derive until the daemon ends, or another replica took over."""
        with (
            self._connect() as conn,
            Lease(conn, self._connect, f"derive:{self._source}", holder(), self._lease_seconds, self._wake.set) as lease,
        ):
            if stand_by(lease, self._stop, self._observer, self._loop, "derive", self._source):
                self._derive(self._make_deriver(conn), lease)

    def _derive(self, deriver: Deriver, lease: Lease) -> None:
        passed = 0
        while not self._stop.is_set():
            lease.check()
            self._wake.clear()
            started = time.monotonic()
            self._loop.working()
            progress = deriver.step()
            if progress.worked:
                passed += progress.rows
                self._loop.progressed()
                self._report(progress.rows, time.monotonic() - started)
                if passed >= _PRUNE_ROWS:
                    passed = self._prune(deriver)
                continue
            self._loop.idle()
            if not self._wake.wait(0 if passed else 0.5) and passed:
                passed = self._prune(deriver)

    def _prune(self, deriver: Deriver) -> int:
        deriver.prune()
        return 0

    def _report(self, rows: int, seconds: float) -> None:
        self._observer.observe("derive_seconds", seconds, source=self._source)
        self._observer.gauge("batch_rows", rows, source=self._source)
