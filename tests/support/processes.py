"""One child process of a test: its stderr in a file, ended by its own pid, waited for with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def wait_until(what: str, condition: Callable[[], bool], seconds: float = 30.0, every: float = 0.05) -> float:
    """Seconds it took until `condition` held; AssertionError when it never did."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(every)
    return time.monotonic() - started


class Process:
    """A running child. Its output goes to files, so that it can never block on a full pipe."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        self._offset = log.stat().st_size if log.exists() else 0
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

    def children(self) -> list[int]:
        """Process ids of what it started and what still runs."""
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _parent(p) == self.pid]

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -9 after SIGKILL."""
        return self._child.poll()

    def stderr(self) -> str:
        """What this very process has said so far."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")

    def kill(self) -> int:
        """SIGKILL, and wait for the end."""
        self._child.send_signal(signal.SIGKILL)
        return self._child.wait(30)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._child.send_signal(signal.SIGTERM)

    def wait_exit(self, seconds: float = 30.0) -> int:
        """The exit code; AssertionError when it does not end in time."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"process {self.pid} still runs:\n{self.stderr()[-3000:]}") from None

    def end(self) -> None:
        """However it stands: afterwards it is gone."""
        if self.exit_code is None:
            self.kill()


def _parent(process: Path) -> int | None:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None  # it has just ended
    return None if fields[0] == "Z" else int(fields[1])
