"""One source's capture as a process of its own: started, listened to, and ended by the agent."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agent
from agent.capture.postgres.settings import CaptureSettings
from agent.daemon.loop import Stop
from agent.daemon.wire import STOP, CaptureEnded, Order, failure
from agent.observe.health import Loop
from agent.ports import Observer

# A constant, so that a crash test can start one with a guard taken away. -P: nothing is imported from the working directory.
COMMAND = [sys.executable, "-P", "-m", "agent.daemon.capture_main"]
_CODE = str(Path(agent.__file__).parents[1])
_PATIENCE = 20.0  # seconds for a process to be gone that has closed its pipe, or was killed


class CaptureProcess:
    """`work` is what the supervisor runs: one process, from its order to its end; its errors are raised here."""

    def __init__(
        self, source: str, store_dsn: str, settings: Callable[[], CaptureSettings], stop: Stop, observer: Observer,
        loop: Loop, on_rows: Callable[[], None],
    ) -> None:  # fmt: skip
        self._source = source
        self._store_dsn = store_dsn
        self._settings = settings
        self._stop = stop
        self._observer = observer
        self._loop = loop
        self._on_rows = on_rows
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        stop.on_set(self.interrupt)

    def interrupt(self) -> None:
        """Ask a running process to end."""
        with self._lock:
            if self._child is not None:
                self._write(self._child, STOP)

    def work(self) -> None:
        """Capture until the daemon ends. Raises what the process failed with, CaptureEnded when it died."""
        order = Order(self._source, self._store_dsn, self._settings(), os.getpid())
        child = self._start(order)
        if child is None:
            return
        failed: Exception | None = None
        try:
            assert child.stdout is not None
            for line in child.stdout:
                failed = self._hear(json.loads(line)) or failed
            status = child.wait(_PATIENCE)
        finally:
            with self._lock:
                self._child = None
            self._end(child)
            self._observer.gauge("source_up", 0, source=self._source)
        if failed is not None:
            raise failed
        if not self._stop.is_set():
            raise CaptureEnded(
                f"the capture process ended with {status}", where=f"source {self._source}",
                remedy="another is started; if this goes on, look at memory limits and the log",
            )  # fmt: skip

    def _start(self, order: Order) -> subprocess.Popen[bytes] | None:
        path = os.pathsep.join(filter(None, (_CODE, os.environ.get("PYTHONPATH"))))
        with self._lock:
            if self._stop.is_set():
                return None
            # A process group of its own: a Ctrl-C is the agent's to answer.
            self._child = child = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}, process_group=0
            )
            self._write(child, order.line())
        return child

    def _write(self, child: subprocess.Popen[bytes], line: bytes) -> None:
        assert child.stdin is not None
        # Where the pipe is broken the process has ended, and its status says why.
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(line)
            child.stdin.flush()

    def _hear(self, report: list[Any]) -> Exception | None:
        match report:
            case ["rows"]:
                self._on_rows()
            case ["idle"]:
                self._loop.idle()
            case ["count", name, value, labels]:
                self._observer.count(name, value, **labels)
            case ["gauge", name, value, labels]:
                self._observer.gauge(name, value, **labels)
            case ["observe", name, value, labels]:
                self._observer.observe(name, value, **labels)
            case ["event", level, message, fields]:
                self._observer.event(level, message, **fields)
            case _:
                return failure(report)
        return None

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.kill()
            child.wait(_PATIENCE)
        for pipe in (child.stdin, child.stdout):
            # What was still to be written to it is of no use to anybody.
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
