"""Ports that a server keeps over restarts.

Not the kernel's choice: that comes from the range of outgoing connections, so a client that keeps knocking at a stopped
server's port can be given that very port and hold it. Ours lie below, and a lock per port keeps two test processes apart
while a server is down.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sandbox.stack.errors import StackError

_LOWEST = 12_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_held: dict[int, int] = {}  # port → descriptor of its lock, until this process ends


def kept(file: Path, names: Sequence[str]) -> dict[str, int]:
    """The ports of `names`: those written in `file`, or free ones, which are then written there.

    StackError when a remembered port belongs to somebody else by now.
    """
    if file.exists():
        found: dict[str, int] = json.loads(file.read_text())
        for port in found.values():
            if port not in _held and not (_free(port) and _hold(port)):
                raise StackError(
                    f"port {port} is taken", where=file,
                    remedy="if another process runs on this directory, end it; else remove the directory",
                )  # fmt: skip
        return found
    chosen = {name: free_port() for name in names}
    file.write_text(json.dumps(chosen))
    return chosen


def free_port() -> int:
    """A loopback port that is free, and that nobody else who asks here gets while this process lives."""
    highest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    candidates = list(range(_LOWEST, highest))
    random.shuffle(candidates)
    for port in candidates:
        if port not in _held and _free(port) and _hold(port):
            return port
    raise StackError("no loopback port is free", where=f"{_LOWEST}-{highest}")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections that ended a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _hold(port: int) -> bool:
    if port in _held:
        return True
    directory = Path(tempfile.gettempdir()) / f"coexist-ports-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(directory / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _held[port] = lock
    return True
