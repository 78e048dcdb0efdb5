"""One source's capture as a process of its own: started, listened to, ended and replaced by the agent."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import agent
from agent.capture.configured import Settings
from agent.daemon.loop import Stop
from agent.daemon.wire import STOP, CaptureEnded, Order, failure
from agent.errors import CoexistError
from agent.observe.health import Loop
from agent.ports import Observer

# A constant, so that a crash test can start one with a guard taken away. -P: nothing is imported from the working directory.
COMMAND = [sys.executable, "-P", "-m", "agent.daemon.capture_main"]
_CODE = str(Path(agent.__file__).parents[1])
_PATIENCE = 10.0  # seconds for a process to end that was asked to, or has closed its pipe; then it is killed
_SETTLED = 60.0  # seconds that the successor of one that died must live before its signs of life count


class CaptureProcess:
    """`work` is what the supervisor runs: one process, from its order to its end; its errors are raised here."""

    def __init__(
        self, source: str, store_dsn: str, settings: Callable[[], Settings], stop: Stop, observer: Observer,
        loop: Loop, on_rows: Callable[[], None], lease_seconds: float = 30.0,
    ) -> None:  # fmt: skip
        self._lease_seconds = lease_seconds
        self._source = source
        self._store_dsn = store_dsn
        self._settings = settings
        self._stop = stop
        self._observer = observer
        self._loop = loop
        self._on_rows = on_rows
        self._child: _Child | None = None
        self._lock = threading.Lock()
        self._doubtful_until = 0.0
        stop.on_set(self.interrupt)

    def interrupt(self) -> None:
        """Ask a running process to end."""
        with self._lock:
            if self._child is not None:
                self._child.stop()

    def work(self) -> None:
        """Capture until the daemon ends. Raises what the process failed with, CaptureEnded when it died."""
        order = Order(self._source, self._store_dsn, self._settings(), os.getpid(), self._lease_seconds)
        with self._lock:
            if self._stop.is_set():
                return
            self._child = child = _Child(self._source)
        failed, heard = None, False
        try:
            child.order(order.line())
            for report in child.reports():
                heard = True
                failed = self._hear(report) or failed
        finally:
            with self._lock:
                self._child = None
            status = child.end()
            self._observer.gauge("source_up", 0, source=self._source)
        if failed is not None:
            raise failed
        if not self._stop.is_set():
            raise self._ended(status, heard)

    def _ended(self, status: int, heard: bool) -> CoexistError:
        where = f"source {self._source}"
        if status > 0 and not heard:
            return CoexistError(
                f"the capture process cannot start (exit code {status})", where=where,
                remedy="its own words stand in the log before this",
            )  # fmt: skip
        # A process that dies again and again gets nowhere, though each says at first that it is alive.
        self._doubtful_until = time.monotonic() + _SETTLED
        return CaptureEnded(
            f"the capture process ended with {status}", where=where,
            remedy="another is started; if this goes on, look at memory limits and the log",
        )  # fmt: skip

    def _hear(self, report: list[Any]) -> Exception | None:
        match report:
            case ["rows"]:
                self._doubtful_until = 0.0
                self._on_rows()
            case ["idle"]:
                if time.monotonic() >= self._doubtful_until:
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


class _Child:
    """One process. `stop` may be called by any thread; all else is the supervisor's."""

    def __init__(self, source: str) -> None:
        """Raises CaptureEnded when the system has no room for it just now."""
        try:
            # A process group of its own: a Ctrl-C is the agent's to answer.
            self._process = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), process_group=0
            )
        except OSError as error:
            raise CaptureEnded(
                f"no capture process can be started: {error.strerror}", where=f"source {source}",
                remedy="it is tried again; look at the limits of memory and processes",
            ) from error  # fmt: skip
        self._lock = threading.Lock()
        self._ordered = self._stopping = False
        self._deadline = threading.Timer(_PATIENCE, self._process.kill)
        self._deadline.daemon = True

    def order(self, line: bytes) -> None:
        """The order, which may be more than the pipe holds before the process reads it."""
        self._write(line)
        with self._lock:
            self._ordered = True
            if self._stopping:
                self._write(STOP)

    def stop(self) -> None:
        """Ask it to end; it is killed when it does not."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._deadline.start()
            if self._ordered:
                self._write(STOP)

    def reports(self) -> Iterator[list[Any]]:
        """What it says, until it has closed its pipe."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith(b"\n"):
                return  # it was killed in the middle of a word
            try:
                yield json.loads(line)
            except ValueError:
                yield ["event", "warning", "a report of the capture process cannot be read", {"bytes": len(line)}]

    def end(self) -> int:
        """Its exit status; afterwards it is gone."""
        self._close(self._process.stdin)  # to one that still runs this means that the agent is gone
        try:
            status = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._deadline.cancel()
        self._close(self._process.stdout)
        return status

    def _close(self, pipe: IO[bytes] | None) -> None:
        # What was still to be written to it is of no use to anybody.
        with contextlib.suppress(BrokenPipeError):
            if pipe is not None:
                pipe.close()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        # Where the pipe is broken the process has ended, and its status says why.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


def _environment() -> dict[str, str]:
    """The agent's own, and where its code is unless that is installed (and found without saying so)."""
    if _CODE in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return dict(os.environ)
    path = os.pathsep.join(filter(None, (_CODE, os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path}
