"""Child processes of a benchmark, and what the kernel counted of them (/proc): CPU seconds and peak memory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")


class Impossible(RuntimeError):
    """A benchmark could not be carried out; the text says why."""


def wait_until(what: str, condition: Callable[[], T], seconds: float, every: float = 0.02) -> T:
    """The first true value of `condition`. Raises Impossible when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Impossible(f"waited {seconds:g} s in vain until {what}")
        time.sleep(every)
    return value


class Child:
    """One child process, its output in files, ended by its own pid."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        self.out = log.with_suffix(".out")
        with log.open("ab") as err, self.out.open("wb") as out:
            self._child = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._child.poll()

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.exit_code is None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait(30)

    def stop(self, seconds: float = 60.0) -> None:
        """SIGTERM, and wait for the end; SIGKILL when it does not come."""
        if self.exit_code is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def must_run(self) -> None:
        """Raises Impossible when it has ended."""
        if self.exit_code is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise Impossible(f"process ended with {self.exit_code}: {tail}")


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of the process trees, including children that ended and were waited for."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            if fields := _stat(pid):
                ticks += sum(int(n) for n in fields[11:15])
    return ticks / _TICKS


def peak_rss_mb(pid: int) -> float:
    """Most memory that a process ever had resident, in MB (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return 0.0


def _stat(pid: int) -> list[str]:
    """State, parent, … of /proc/<pid>/stat; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
