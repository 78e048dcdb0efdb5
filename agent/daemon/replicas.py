"""Several agents on one store: who works, and who stands by."""

from __future__ import annotations

import os
import socket
from typing import Protocol

from agent.daemon.loop import Stop
from agent.ports import Observer
from agent.store.leases import Lease

_LOOK = 0.5  # seconds between two looks whether a lease is free


class SignOfLife(Protocol):
    """Where a loop says that it is alive."""

    def idle(self) -> None:
        """Nothing is overdue."""
        ...


def holder() -> str:
    """This process, for a person who asks who holds a lease."""
    return f"{socket.gethostname()}:{os.getpid()}"


def stand_by(lease: Lease, stop: Stop, observer: Observer, loop: SignOfLife, work: str, source: str) -> bool:
    """Wait until the lease is ours; False when told to stop before. Raises psycopg.Error."""
    told = False
    while not stop.is_set():
        if lease.take():
            observer.gauge("leading", 1, work=work, source=source)
            if told:
                observer.event("info", "takes over", work=work, source=source)
            return True
        if not told:
            observer.event("info", "stands by: another replica does this", work=work, source=source)
            observer.gauge("leading", 0, work=work, source=source)
            told = True
        loop.idle()
        stop.wait(_LOOK)
    return False
