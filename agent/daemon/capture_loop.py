"""Capture → inbox: read, make durable, acknowledge last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from agent.daemon.loop import Stop
from agent.daemon.replicas import SignOfLife, holder, stand_by
from agent.errors import SnapshotAhead, SourceError
from agent.inbox.intake import Intake
from agent.model.changes import CaptureBatch, SourceIdentity
from agent.model.ids import CommitPos
from agent.ports import Capture, Observer
from agent.store.leases import Lease


class CaptureLoop:
    """One source's way into the store. `work` is what the supervisor runs, with fresh connections each time."""

    def __init__(
        self, source: str, connect: Callable[[], psycopg.Connection[Any]], make_capture: Callable[[], Capture], stop: Stop,
        observer: Observer, loop: SignOfLife, on_rows: Callable[[], None], lease_seconds: float = 30.0,
    ) -> None:  # fmt: skip
        self._lease_seconds = lease_seconds
        self._source = source
        self._connect = connect
        self._make_capture = make_capture
        self._stop = stop
        self._observer = observer
        self._loop = loop
        self._on_rows = on_rows
        self._capture: Capture | None = None
        self._lock = threading.Lock()
        stop.on_set(self.interrupt)

    def interrupt(self) -> None:
        """Make a blocked capture end."""
        with self._lock:
            if self._capture is not None:
                self._capture.interrupt()

    def work(self) -> None:
        """Wait for the source's lease; check, snapshot if the store says that none is complete, then stream until the daemon
        ends or another replica took over.
        """
        with (
            self._connect() as conn,
            Lease(conn, self._connect, f"capture:{self._source}", holder(), self._lease_seconds, self.interrupt) as lease,
        ):
            if stand_by(lease, self._stop, self._observer, self._loop, "capture", self._source):
                self._work(conn)
                lease.check()

    def _work(self, conn: psycopg.Connection[Any]) -> None:
        intake = Intake(conn, self._source)
        capture = self._make_capture()
        with self._lock:
            self._capture = capture
        try:
            if self._stop.is_set():
                return
            self._identify(intake, capture.check(intake.state.resume()))
            self._observer.gauge("source_up", 1, source=self._source)
            if intake.state.snapshot_state != "done":
                self._snapshot(intake, capture)
            if not self._stop.is_set():
                self._follow(intake, capture)
        finally:
            with self._lock:
                self._capture = None
            capture.close()

    def _identify(self, intake: Intake, identity: SourceIdentity) -> None:
        if intake.identity is None:
            intake.pin(identity)
        elif intake.identity != (identity.system_id, identity.timeline):
            raise SourceError(
                f"this is not the incarnation of the source that was captured so far (system {identity.system_id}, timeline"
                f" {identity.timeline}; known {intake.identity[0]}, {intake.identity[1]})",
                where=f"source {self._source}",
                remedy="the source was restored or failed over: take a new snapshot with `coexist source resnapshot`",
            )

    def _snapshot(self, intake: Intake, capture: Capture) -> None:
        self._observer.event("info", "snapshot begins", source=self._source)
        intake.begin_snapshot()
        after = intake.state.position
        for batch in capture.snapshot(None if after is None else CommitPos(after)):
            if batch.anew:
                intake.begin_snapshot()
            self._append(intake, batch)
            if intake.state.snapshot_state == "done":
                capture.acknowledge(CommitPos(int(intake.state.position or 0)))
            if self._stop.is_set():
                return
        self._observer.event("info", "snapshot is in the inbox", source=self._source)

    def _follow(self, intake: Intake, capture: Capture) -> None:
        try:
            for batch in capture.stream(intake.state.resume()):
                capture.acknowledge(CommitPos(self._append(intake, batch)))
                if self._stop.is_set():
                    return
        except SnapshotAhead:
            # Raised on: the next attempt finds that no snapshot is complete, and asks for this one.
            intake.begin_snapshot()
            raise

    def _append(self, intake: Intake, batch: CaptureBatch) -> int:
        started = time.monotonic()
        position = intake.append(batch)
        if batch.slices:
            self._on_rows()
            self._observer.observe("intake_seconds", time.monotonic() - started, source=self._source)
            self._observer.count("captured_rows", batch.captured, source=self._source)
            self._observer.count(
                "captured_transactions", sum(s.complete for s in batch.slices), source=self._source
            )
        self._loop.idle()
        self._observer.gauge("position", position, source=self._source)
        return position
