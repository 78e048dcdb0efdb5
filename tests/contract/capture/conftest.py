"""One history, lived by real databases and told by every implementation of the capture port."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from agent.ports import Capture
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from tests.contract.capture.worlds import (
    CREATE_MARIADB,
    CREATE_POSTGRES,
    FILL,
    LIVE,
    World,
    snapshot,
    transactions,
)
from tests.support.capturing import source_at
from tests.support.connectors import Connectors
from tests.support.kafka_sources import kafka_world, mariadb_source, postgres_source
from tests.support.stack import (
    broker,
    connect_environment,
    connect_worker,
    connectors,
    mariadb,
    mariadb_server,
    new_mariadb_database,
    new_topic,
    stack_directory,
)

__all__ = [
    "broker", "connect_environment", "connect_worker", "connectors", "mariadb", "mariadb_server", "new_mariadb_database",
    "new_topic", "stack_directory",
]  # fmt: skip

_numbers = itertools.count(5000)


@pytest.fixture
def postgres(new_database: str) -> Iterator[World]:
    """PostgreSQL's own replication."""
    with source_at(new_database) as source:
        source.execute(*CREATE_POSTGRES, *_said(FILL, "true", "false"))

        def capture(**options: Any) -> Capture:
            return source.capture("customer", "line", **options)

        live = _postgres_live(source.sql)
        yield World(capture, live, snapshot("t", "f"), transactions("t", "f", whole=False))


@pytest.fixture
def kafka_postgres(broker: Broker, connectors: Connectors, new_database: str) -> Iterator[World]:
    """PostgreSQL through Debezium and Kafka."""
    source = postgres_source(broker.bootstrap, new_database)
    tables = (("public", "customer"), ("public", "line"))
    with (
        psycopg.connect(new_database, autocommit=True) as sql,
        kafka_world("finance", source, new_database, tables, connectors) as world,
    ):
        for statement in (*CREATE_POSTGRES, *_said(FILL, "true", "false")):
            sql.execute(statement.encode())
        world.connect()
        live = _postgres_live(sql)
        yield World(world.capture, live, snapshot("t", "f"), transactions("t", "f", whole=False))


@pytest.fixture
def kafka_mariadb(
    broker: Broker, mariadb: MariaDb, connectors: Connectors, new_mariadb_database: str
) -> Iterator[World]:
    """MariaDB through Debezium and Kafka."""
    database = new_mariadb_database
    source = mariadb_source(broker.bootstrap, mariadb, database, next(_numbers))
    tables = ((database, "customer"), (database, "line"))
    dsn = mariadb.dsn(mariadb.connector, database)
    with (
        mariadb.connect(database=database) as sql,
        kafka_world("psa", source, dsn, tables, connectors) as world,
    ):
        with sql.cursor() as cursor:
            for statement in (*CREATE_MARIADB, *_said(FILL, "b'1'", "b'0'")):
                cursor.execute(statement)
        world.connect()

        def live() -> None:
            with sql.cursor() as cursor:
                for transaction in LIVE:
                    cursor.execute("BEGIN")
                    for statement in _said(transaction, "b'1'", "b'0'"):
                        cursor.execute(statement)
                    cursor.execute("COMMIT")

        yield World(world.capture, live, snapshot("1", "0"), transactions("1", "0", whole=True))


@pytest.fixture(
    params=[
        "postgres",
        pytest.param("kafka_postgres", marks=pytest.mark.stack),
        pytest.param("kafka_mariadb", marks=pytest.mark.stack),
    ]
)
def world(request: pytest.FixtureRequest) -> World:
    """Each implementation of the port in turn."""
    made: World = request.getfixturevalue(request.param)
    return made


def _said(statements: tuple[str, ...], yes: str, no: str) -> tuple[str, ...]:
    return tuple(statement.format(yes=yes, no=no) for statement in statements)


def _postgres_live(sql: psycopg.Connection) -> Callable[[], None]:
    def live() -> None:
        for transaction in LIVE:
            with sql.transaction():
                for statement in _said(transaction, "true", "false"):
                    sql.execute(statement.encode())

    return live
