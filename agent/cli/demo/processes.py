"""The demo's child processes, each in a session of its own: the terminal's Ctrl-C reaches the demo alone, which ends
them in order."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_GRACE = 15.0


class Child:
    """One process; what it says goes to files, so that it can never block on a full pipe."""

    def __init__(self, name: str, command: Sequence[str], directory: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.out = directory / f"{name}.out"
        self.log = directory / f"{name}.log"
        with self.out.open("wb") as out, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True, cwd=directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -9 after SIGKILL."""
        return self._process.poll()

    def kill(self) -> int:
        """SIGKILL, and wait for the end."""
        self._process.send_signal(signal.SIGKILL)
        return self._process.wait()

    def terminate(self, grace: float = _GRACE) -> int:
        """SIGTERM; SIGKILL if that is not heard in time."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(grace)
        except subprocess.TimeoutExpired:
            return self.kill()

    def tail(self, lines: int = 6) -> str:
        """The end of what it said."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])
