"""PostgreSQL for the mapping oracle: a source and a store that need to survive nothing, in memory where there is room.

What is asked is whether states are right, not whether they last: nothing is flushed, and the store writes as little log as it
can. Two servers, so that decoding the source's log does not mean reading the store's.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from agent.store import embedded
from agent.store.migrate import migrate

_FLEETING = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "'64MB'", "max_wal_size": "'512MB'"}
_SOURCE = _FLEETING | {"max_replication_slots": "20", "max_wal_senders": "20"}
_STORE = _FLEETING | {"wal_level": "minimal", "max_wal_senders": "0", "synchronous_commit": "off"}
_ROOM = 2 << 30  # bytes
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Databases:
    """One source and one store database, used for every schema of a process."""

    source: str
    store: str


@dataclass(frozen=True)
class LineServers:
    """Where sources and where stores are."""

    source: embedded.EmbeddedServer
    store: embedded.EmbeddedServer

    def databases(self) -> Databases:
        """Fresh ones, the store migrated."""
        name = f"line_{next(_numbers)}"
        for server in (self.source, self.store):
            with psycopg.connect(server.dsn, autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
        # Hundreds of small statements make a sequence: past TCP each costs a sixth less.
        directory = quote(str(self.store.directory.parent), safe="")
        store = self.store.dsn_of(name).replace("127.0.0.1", directory)
        with psycopg.connect(store, autocommit=True) as conn:
            migrate(conn)
        return Databases(self.source.dsn_of(name), store)


@contextmanager
def line_servers() -> Iterator[LineServers]:
    """Both, until the block ends."""
    root = Path(tempfile.mkdtemp(prefix="coexist-line-", dir=_memory()))
    root.chmod(0o777)  # the servers may be run by somebody else, and their sockets are made here
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, root, ignore_errors=True)
        started = []
        for name, settings in (("source", _SOURCE), ("store", _STORE)):
            settings = settings | {"unix_socket_directories": f"'{root}'"}
            started.append(embedded.start(root / name, settings=settings))
            ending.callback(started[-1].stop, "immediate")
        yield LineServers(*started)


def _memory() -> Path | None:
    """A file system in memory with room, or None for the usual place."""
    shared = Path("/dev/shm")
    try:
        return shared if shutil.disk_usage(shared).free > _ROOM else None
    except OSError:
        return None
