"""A MariaDB and a mirror beside it for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from agent.store.embedded import EmbeddedServer
from tests.support.stack import mariadb, mariadb_server, new_mariadb_database, stack_directory

__all__ = ["mariadb", "mariadb_server", "new_mariadb_database", "stack_directory"]


@pytest.fixture(scope="session")
def mirror(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A connection to a database of this folder's own."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE mariadb_mirror")
    with psycopg.connect(server.dsn_of("mariadb_mirror"), autocommit=True) as conn:
        yield conn
