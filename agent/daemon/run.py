"""The daemon's frame: open the store, start the loops, serve observation, end cleanly on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from agent.daemon.apply_loop import ApplyLoop
from agent.daemon.capture_process import CaptureProcess
from agent.daemon.connect_loop import ConnectLoop, StreamSilence
from agent.daemon.derive_loop import DeriveLoop
from agent.daemon.interpreter import tune
from agent.daemon.loop import Stop, supervise
from agent.errors import CoexistError
from agent.observe import logs
from agent.observe.health import Health
from agent.observe.http import ObservationServer
from agent.observe.metrics import PrometheusObserver
from agent.operations.connect import Managed, managed_sources
from agent.operations.gauges import publish
from agent.operations.restores import check_store
from agent.store.connect import Store, open_store
from agent.wiring.source import SourceFactory
from cdc_config.models import Config

_GAUGES_EVERY = 5.0
_GRACE = 30.0


class Daemon:
    """Everything that runs in one agent process."""

    def __init__(self, config: Config, store: Store, observer: PrometheusObserver, health: Health) -> None:
        self._config = config
        self._store = store
        self._observer = observer
        self._health = health
        self.stop = Stop()
        self._threads: list[threading.Thread] = []
        self._apply = ApplyLoop(config, store.dsn, self.stop, observer, health)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._store.dsn, autocommit=True, connect_timeout=10, application_name="coexist agent"
        )

    def _start_source(self, source: str) -> None:
        factory = SourceFactory(self._config, source)
        derive_health = self._health.loop(f"derive {source}", patience=300)
        derive = DeriveLoop(
            source,
            self._connect,
            lambda conn: factory.deriver(conn, self._apply.wake),
            self.stop,
            self._observer,
            derive_health,
            self._config.agent.lease_seconds,
        )
        capture_health = self._health.loop(f"capture {source}", patience=300, silence=300)
        capture = CaptureProcess(
            source,
            self._store.dsn,
            factory.capture_settings,
            self.stop,
            self._observer,
            capture_health,
            derive.wake,
            self._config.agent.lease_seconds,
        )
        self._thread(f"derive {source}", derive.work, derive_health)
        self._thread(f"capture {source}", capture.work, capture_health)

    def _start_connector(self, it: Managed) -> None:
        health = self._health.loop(f"connector {it.source}", patience=300)
        silence = StreamSilence(self._connect, it.source)
        loop = ConnectLoop(it, self._connect, silence.seconds, self.stop, self._observer, health)
        self._thread(f"connector {it.source}", loop.work, health)

    def _thread(self, name: str, work: Callable[[], None], health: Any) -> None:
        thread = threading.Thread(
            target=supervise, args=(name, work, self.stop, self._observer, health), name=name, daemon=True
        )
        self._threads.append(thread)
        thread.start()

    async def main(self) -> None:
        """Run until told to stop."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def end() -> None:
            loop.call_soon_threadsafe(ended.set)

        self.stop.on_set(end)
        self._signals(loop)
        http = ObservationServer(
            self._config.agent.http.host,
            self._config.agent.http.port,
            self._observer.exposition,
            self._health,
        )
        await http.start()
        gauges = asyncio.create_task(self._gauges())
        apply = asyncio.create_task(self._apply.run())
        try:
            for source in self._config.sources:
                self._start_source(source)
            for managed in managed_sources(self._config):
                self._start_connector(managed)
            self._observer.event(
                "info", "running", sources=list(self._config.sources), targets=list(self._config.targets)
            )
            await ended.wait()
            self._observer.event("info", "draining")
            try:
                await asyncio.wait_for(apply, _GRACE)
            except TimeoutError:
                # What is still out there is in the store, for the next start to ask about.
                self._observer.event("warning", "targets did not end in time")
        finally:
            self.stop.set()
            gauges.cancel()
            apply.cancel()
            await asyncio.gather(gauges, apply, return_exceptions=True)
            await asyncio.to_thread(self._join)
            await http.stop()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(_GRACE)

    def _signals(self, loop: asyncio.AbstractEventLoop) -> None:
        def asked() -> None:
            if self.stop.is_set():
                os._exit(130)  # the second signal does not ask
            self.stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked)

    async def _gauges(self) -> None:
        pause = _GAUGES_EVERY
        while not self.stop.is_set():
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                await asyncio.to_thread(self._refresh)
            except psycopg.Error as error:
                self._observer.event("warning", "gauges not refreshed", error=type(error).__name__)
            # They count whole tables, which grow: never more than a fiftieth of one core.
            pause = max(_GAUGES_EVERY, 50 * (time.monotonic() - began))

    def _refresh(self) -> None:
        with self._connect() as conn:
            publish(conn, self._observer)


def run(config: Config, base_dir: Path) -> int:
    """Run the agent in the foreground; returns the exit code. Raises CoexistError when it may not start."""
    observer = PrometheusObserver()
    logs.configure()
    store = open_store(config, base_dir)
    try:
        with psycopg.connect(store.dsn, autocommit=True) as conn:
            check_store(conn)
            for source in config.sources:
                SourceFactory(config, source).check(conn)
        daemon = Daemon(config, store, observer, Health())
        tune()
        asyncio.run(daemon.main())
        reason: CoexistError | None = daemon.stop.reason
        if reason is not None:
            raise reason
        return 0
    finally:
        store.close()
