"""A legacy database per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from sandbox.legacy.book import Size, create, load

Filled = Callable[..., dict[str, int]]


@pytest.fixture
def legacy(new_database: str) -> Iterator[psycopg.Connection]:
    """A connection to a fresh legacy database with the small book of seed 1."""
    with psycopg.connect(new_database, autocommit=True) as conn:
        create(conn)
        load(conn, seed=1, size=Size(120, 160))
        yield conn
