"""Worlds of their own source and store databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.flow.derive.world import World
from tests.support.line_oracle import Tuning


@pytest.fixture
def make_world(new_database: str, store: psycopg.Connection, server: object) -> Iterator[Callable[..., World]]:
    """A world with this tuning."""
    made: list[World] = []
    store_dsn = new_database.rpartition("/")[0] + "/" + store.info.dbname

    def make(**tuning: int) -> World:
        made.append(World(new_database, store_dsn, Tuning(**tuning)))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world that does everything in one go."""
    return make_world()
