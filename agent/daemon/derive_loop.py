"""Inbox → outbox: one deriver per source, woken by intake, pruning what it has passed when it has nothing else to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from agent.daemon.loop import Stop
from agent.derive.deriver import Deriver
from agent.observe.health import Loop
from agent.ports import Observer

_PRUNE_ROWS = 50_000


class DeriveLoop:
    """`work` is what the supervisor runs: a fresh connection and deriver, then steps until the daemon ends."""

    def __init__(
        self, source: str, connect: Callable[[], psycopg.Connection[Any]],
        make_deriver: Callable[[psycopg.Connection[Any]], Deriver], stop: Stop, observer: Observer, loop: Loop,
    ) -> None:  # fmt: skip
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
        """Derive until the daemon ends."""
        with self._connect() as conn:
            deriver = self._make_deriver(conn)
            passed = 0
            while not self._stop.is_set():
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
