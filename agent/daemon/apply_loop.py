"""Outbox → targets: one engine per target on the daemon's event loop, begun again when the store comes back."""

from __future__ import annotations

import asyncio

import psycopg
import psycopg_pool

from agent.daemon.loop import Backoff, Stop
from agent.errors import CoexistError, Disposition
from agent.observe.health import Health
from agent.ports import Observer
from agent.wiring.target import TargetLine
from cdc_config.models import Config

_LOOK = 1.0


class ApplyLoop:
    """All targets of the configuration."""

    def __init__(self, config: Config, dsn: str, stop: Stop, observer: Observer, health: Health) -> None:
        self._config = config
        self._dsn = dsn
        self._stop = stop
        self._observer = observer
        self._health = health
        self._lines: dict[str, TargetLine] = {}
        stop.on_set(self._end)

    def wake(self) -> None:
        """There may be new commands. From any thread."""
        for line in list(self._lines.values()):
            line.engine.wake()

    def _end(self) -> None:
        for line in list(self._lines.values()):
            line.engine.stop()

    async def run(self) -> None:
        """Until the daemon ends; raises nothing that can be retried."""
        await asyncio.gather(*(self._one(name) for name in self._config.targets))

    async def _one(self, name: str) -> None:
        backoff = Backoff()
        health = self._health.loop(f"apply {name}", patience=300)
        while not self._stop.is_set():
            line = TargetLine(self._config, name, self._dsn, self._observer)
            self._lines[name] = line
            watch = asyncio.create_task(self._watch(line, name))
            try:
                await line.run()
                backoff.worked()
                if self._stop.is_set():
                    return
            except CoexistError as error:
                self._observer.count("loop_errors", loop=f"apply {name}", disposition=error.disposition.value)
                self._observer.event("error", "target stopped", target=name, error=str(error))
                if error.disposition is Disposition.STOP:
                    self._stop.set(error)
                    return
                health.stuck(error.what)
            except (psycopg.Error, psycopg_pool.PoolTimeout, OSError) as error:
                self._observer.event("warning", "apply begins again", target=name, error=type(error).__name__)
                health.stuck(type(error).__name__)
            except Exception as error:
                self._observer.event(
                    "error", "unexpected error", target=name, error=repr(error), exc_info=True
                )
                self._stop.set(
                    CoexistError(f"unexpected error applying to {name}: {error!r}", remedy="see the log")
                )
                return
            finally:
                watch.cancel()
            await asyncio.sleep(backoff.failed())

    async def _watch(self, line: TargetLine, name: str) -> None:
        """Carry the engine's own report of progress to the liveness check."""
        health = self._health.loop(f"apply {name}", patience=300)
        seen = line.engine.progress
        while True:
            await asyncio.sleep(_LOOK)
            moved = line.engine.progress != seen
            seen = line.engine.progress
            if moved or line.engine.in_flight == 0:
                health.progressed(has_work=line.engine.in_flight > 0)
