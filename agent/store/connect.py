"""Where the store is: an operator's PostgreSQL by DSN, or the embedded one, adopted or started, with our schema in it.

Every process that uses the embedded server holds a shared lock beside its directory; whoever wants to stop it must be
the last. So a command never takes the server away from the agent, and two that start at once start one.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from agent.errors import StoreUnavailable
from agent.store import embedded
from agent.store.migrate import migrate
from cdc_config.models import Config, EmbeddedStore
from cdc_config.secrets import redact, remember, resolve

DATABASE = "coexist"

_held: dict[Path, Store] = {}


@dataclass
class Store:
    """A store in use by this process. `server` is None for an operator's own PostgreSQL."""

    dsn: str = field(repr=False)
    server: embedded.EmbeddedServer | None = None
    started: bool = False  # by this process; else it was running already
    _users: IO[str] | None = None

    def close(self, *, stop_adopted: bool = True) -> None:
        """Stop the embedded server if nobody else uses it (and, unless stop_adopted, only if we started it)."""
        if self.server is None or self._users is None:
            return
        directory = self.server.directory
        with _exclusively(_lock_path(directory, "start")):
            if (self.started or stop_adopted) and _is_last(self._users):
                self.server.stop()
            self._users.close()
        self._users = None
        _held.pop(directory, None)


def store_dsn(config: Config, base_dir: Path) -> str:
    """The store's DSN, with its database there and its schema at this version. The server stays up."""
    return open_store(config, base_dir).dsn


def open_store(config: Config, base_dir: Path) -> Store:
    """The store of a configuration. Raises StoreUnavailable, StoreError; ConfigError for a missing secret."""
    if config.store.dsn is not None:
        store = Store(resolve(config.store.dsn))
    else:
        store = _embedded(config.store.embedded or EmbeddedStore(), base_dir)
    with connect(store.dsn) as conn:
        migrate(conn)
    return store


def connect(dsn: str) -> psycopg.Connection:
    """An autocommit connection. Raises StoreUnavailable."""
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="coexist")
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"the store cannot be reached: {redact(str(error)).strip()}",
            where="store",
            remedy="check store.dsn, and that its PostgreSQL is up and lets us in",
        ) from None


def _embedded(settings: EmbeddedStore, base_dir: Path) -> Store:
    directory = (base_dir / settings.directory).absolute()
    if directory in _held:
        return _held[directory]
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _exclusively(_lock_path(directory, "start")):
        users = _lock_path(directory, "users").open("a")
        fcntl.flock(users, fcntl.LOCK_SH)
        running = embedded.EmbeddedServer(directory, 0, "").postmaster_pid() is not None
        server = embedded.start(directory, port=settings.port, settings=dict(settings.settings))
        remember(server.password)
        _ensure_database(server)
    store = Store(server.dsn_of(DATABASE), server, not running, users)
    _held[directory] = store
    return store


def _ensure_database(server: embedded.EmbeddedServer) -> None:
    with connect(server.dsn) as admin:
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _lock_path(directory: Path, what: str) -> Path:
    return directory.with_name(f"{directory.name}.{what}.lock")


@contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
