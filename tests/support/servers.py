"""A PostgreSQL of a test's own that may be crashed: fsync on, its own directory, always the same port."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from agent.errors import StoreError
from agent.store import embedded
from tests.support.processes import wait_until

SETTINGS = {
    "shared_buffers": "'64MB'",
    "max_wal_size": "'512MB'",
    "max_connections": "80",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
}


class Server:
    """One postmaster. `crash` is SIGKILL; `restart` brings it back where it was."""

    def __init__(self, directory: Path, settings: dict[str, str] | None = None) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self.running = embedded.start(directory, settings=SETTINGS | (settings or {}))
        self.port = self.running.port

    @property
    def dsn(self) -> str:
        """URI of its maintenance database."""
        return self.running.dsn

    def new_database(self, prefix: str) -> str:
        """URI of a new empty database."""
        name = f"{prefix}_{next(self._numbers)}"
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return self.running.dsn_of(name)

    def drop(self, dsn: str) -> None:
        """Remove a database with its replication slots; whoever is connected is thrown out."""
        name = dsn.rpartition("/")[2]
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                          " WHERE database = %s AND active", (name,))  # fmt: skip
            wait_until("the slots are free", lambda: not admin.execute(
                "SELECT FROM pg_replication_slots WHERE database = %s AND active", (name,)).fetchall())  # fmt: skip
            admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                          " WHERE database = %s", (name,))  # fmt: skip
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def set(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Other settings for a while, of those that need no restart; it may be crashed meanwhile."""
        changes = [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()]
        self._configure(changes)
        try:
            yield
        finally:
            self._configure([f"ALTER SYSTEM RESET {name}" for name in settings])

    def _configure(self, changes: Sequence[str]) -> None:
        if changes:
            with psycopg.connect(self.dsn, autocommit=True) as admin:
                for change in (*changes, "SELECT pg_reload_conf()"):
                    admin.execute(change.encode())

    def crash(self) -> None:
        """SIGKILL the postmaster, and wait until its children have noticed and gone."""
        pid = self.running.postmaster_pid()
        assert pid is not None, "it is not running"
        children = children_of(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until("the children are gone", lambda: not any(_alive(child) for child in [pid, *children]))

    def restart(self, seconds: float = 60.0) -> None:
        """Start it again on its port; crash recovery is PostgreSQL's own."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.running = embedded.start(self._directory, port=self.port)
                return
            except StoreError:
                # A child that was slow to notice still holds the shared memory.
                if time.monotonic() > deadline:
                    raise

    def remove(self) -> None:
        """Stop it and forget its data."""
        self.running.stop("immediate")
        shutil.rmtree(self._directory, ignore_errors=True)


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(int(entry.name)) == pid:
            found.append(int(entry.name))
    return found


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _alive(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] != "Z"


def _stat(pid: int) -> list[str]:
    """State, parent, … of /proc/<pid>/stat; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
