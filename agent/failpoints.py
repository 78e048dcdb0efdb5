"""Named points at which a crash test ends the process, keyed by the environment and free otherwise.

`COEXIST_FAILPOINT=after-intake-commit:3` kills this process with SIGKILL the third time it passes that point, after
writing one line to stderr so that the test knows the point was reached. Nothing else reads this variable. A process that
is part of an agent takes the agent along.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

_SPEC = os.environ.get("COEXIST_FAILPOINT", "")
_NAME, _, _COUNT = _SPEC.partition(":")
_left = int(_COUNT or "1")
_lock = threading.Lock()
_agent: list[int] = []


def die_with(agent: int) -> None:
    """This process is part of the agent with that process id: at a failpoint both die."""
    _agent[:] = [agent]


def failpoint(name: str) -> None:
    """Die here if the environment says so."""
    if name != _NAME:
        return
    global _left
    with _lock:
        _left -= 1
        if _left > 0:
            return
        sys.stderr.write(f"failpoint reached: {name}\n")
        sys.stderr.flush()
        for pid in (*_agent, os.getpid()):
            os.kill(pid, signal.SIGKILL)
