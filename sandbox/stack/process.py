"""A server as a process: started, waited for, stopped, killed, frozen; its output in a file; gone when we are gone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.stack.errors import StackError

_KEEPER = Path(__file__).with_name("keeper.py")
_TAIL = 3000  # characters of a log in an error


def wait_until(
    what: str, condition: Callable[[], bool], seconds: float = 60.0, *, every: float = 0.05, where: object = None
) -> float:
    """Seconds until `condition` held; StackError when it did not within `seconds`."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise StackError(f"waited {seconds:g} s in vain until {what}", where=where)
        time.sleep(every)
    return time.monotonic() - started


def listens(port: int) -> bool:
    """Does anybody accept connections on this loopback port?"""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_passable(directory: Path, server: str, user: str) -> None:
    """StackError when root would run `server` as `user`, who cannot get to its directory."""
    for folder in (directory, *directory.parents):
        if os.geteuid() == 0 and not folder.stat().st_mode & 0o001:
            raise StackError(
                f"started by root, {server} runs as {user}, who cannot get to its folder", where=folder,
                remedy="choose a folder outside of private ones, or start it as an ordinary user",
            )  # fmt: skip


class Server(ABC):
    """One server in one directory. Subclasses say how it is prepared, started and known to be ready.

    As a context manager it is started and, however the block ends, stopped. `log` holds what it said, over all its lives.
    """

    name = "server"
    start_seconds = 90.0
    stop_seconds = 30.0
    stop_signal = signal.SIGTERM
    user: str | None = None  # whom root lets it run as

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / f"{self.name}.log"
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pidfd: int | None = None
        self._pid: int | None = None
        self._said_before = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.directory}, pid={self._pid})"

    @property
    def pid(self) -> int | None:
        """The server's own process id while it runs, else None."""
        return self._pid if self.running else None

    @property
    def running(self) -> bool:
        """Started, and not yet ended by anybody. A frozen one runs."""
        return self._keeper is not None and self._keeper.poll() is None

    def start(self) -> None:
        """Start it and wait until it does its work; StackError with its log's end when it does not. Fine if it runs."""
        if not self.running:
            self.launch()
            self.wait_ready()

    def launch(self) -> None:
        """Start it and do not wait."""
        self._prepare()
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), str(os.getpid()), self._run_as(), *self._command()],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=self._cwd(),
                env={**os.environ, **self._environment()}, start_new_session=True,
            )  # fmt: skip
        assert self._keeper.stdout is not None
        with self._keeper.stdout as pipe:
            first = pipe.readline()
        if not first:
            raise StackError(f"{self.name} was not started", where=self.log, remedy=self.said()[-_TAIL:])
        self._pid = int(first)
        try:
            self._pidfd = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._pidfd = None  # gone already; wait_ready says so

    def wait_ready(self, seconds: float | None = None) -> None:
        """Wait until it does its work; StackError when it ends instead, or does not come up in time."""
        limit = seconds or self.start_seconds
        try:
            wait_until(f"{self.name} works", lambda: not self.running or self._ready(), limit)
        except StackError as error:
            self.kill()
            raise StackError(str(error), where=self.log, remedy=self.said()[-_TAIL:]) from None
        if not self.running:
            code = self._forget()
            raise StackError(f"{self.name} ended with {code}", where=self.log, remedy=self.said()[-_TAIL:])

    def stop(self) -> None:
        """Ask it to end, wait, and kill it when it does not; fine if it does not run."""
        if self.running:
            self._send(self.stop_signal)
            self._send(signal.SIGCONT)
            assert self._keeper is not None
            try:
                self._keeper.wait(self.stop_seconds)
            except subprocess.TimeoutExpired:
                self._send(signal.SIGKILL)
        self._forget()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone; fine if it does not run."""
        if self.running:
            self._send(signal.SIGKILL)
        self._forget()

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same data and the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: it is there, and does nothing."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def said(self) -> str:
        """What this life of it has written to its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._said_before)
            return file.read().decode(errors="replace")

    def _send(self, number: signal.Signals) -> None:
        if self._pidfd is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            signal.pidfd_send_signal(self._pidfd, number)

    def _forget(self) -> int | None:
        """Wait for the end; its exit code."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        if self._keeper is None:
            return None
        code = self._keeper.wait(self.stop_seconds)
        self._keeper = self._pid = None
        return code

    def _run_as(self) -> str:
        return self.user if self.user and os.geteuid() == 0 else "-"

    def _cwd(self) -> str:
        return str(self.directory)

    def _environment(self) -> Mapping[str, str]:
        return {}

    def _prepare(self) -> None:
        """Write configuration; make the data when there is none."""
        return

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """What is run."""

    @abstractmethod
    def _ready(self) -> bool:
        """Does it do its work?"""
