"""A PSA database per test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.psa.book import Size, create, load
from sandbox.psa.connect import Connection, connect
from sandbox.stack.mariadb import MariaDb
from tests.support.stack import mariadb, mariadb_server, new_mariadb_database, stack_directory

__all__ = ["mariadb", "mariadb_server", "new_mariadb_database", "stack_directory"]
SIZE = Size(30, 12, 60)


@pytest.fixture
def dsn(mariadb: MariaDb, new_mariadb_database: str) -> str:
    """Address of an empty database."""
    return mariadb.dsn(database=new_mariadb_database)


@pytest.fixture
def psa(dsn: str) -> Iterator[Connection]:
    """A connection to a fresh PSA database with a small book of seed 1."""
    with closing(connect(dsn, autocommit=True)) as conn:
        create(conn)
        load(conn, seed=1, size=SIZE)
        yield conn
