"""A connection for mapping tests: everything happens in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from agent.store import embedded


@pytest.fixture(scope="session")
def oracle_connection(server: embedded.EmbeddedServer) -> Iterator[psycopg.Connection[Any]]:
    """One database for all mapping tests of this process."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE mapping_oracle")
    with psycopg.connect(server.dsn_of("mapping_oracle")) as conn:
        yield conn


@pytest.fixture
def conn(oracle_connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """The connection, rolled back afterwards."""
    oracle_connection.rollback()
    yield oracle_connection
    oracle_connection.rollback()
