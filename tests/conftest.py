"""Shared fixtures: a real embedded PostgreSQL per test process, databases per test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from agent.store import embedded
from agent.store.migrate import migrate
from canonical.entities import ENTITIES

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def only_shipped_entities() -> Iterator[None]:
    """What a test adds to the product's entities is gone after it: others read the list."""
    shipped = dict(ENTITIES)
    yield
    ENTITIES.clear()
    ENTITIES.update(shipped)


@pytest.fixture(scope="session")
def server() -> Iterator[embedded.EmbeddedServer]:
    """A real PostgreSQL with logical decoding, for this test process only; durability off, crash tests use their own."""
    directory = Path(tempfile.mkdtemp(prefix="coexist-test-pg-"))
    directory.chmod(0o755)
    running = embedded.start(
        directory / "data",
        settings={"fsync": "off", "synchronous_commit": "on", "max_replication_slots": "50", "max_wal_senders": "50"},
    )
    yield running
    running.stop("immediate")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def new_database(server: embedded.EmbeddedServer) -> Iterator[str]:
    """DSN of a fresh empty database on the shared server, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield server.dsn_of(name)
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s AND NOT active",
            (name,),
        )
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(server: embedded.EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A connection to a fresh, migrated store database."""
    name = f"store_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    conn = psycopg.connect(server.dsn_of(name), autocommit=True)
    migrate(conn)
    yield conn
    conn.close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
