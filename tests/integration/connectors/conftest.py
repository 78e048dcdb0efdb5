"""The native stack, and sources as an operator would write them."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from cdc_config.base import SecretRef
from cdc_config.models import Connector, ConnectWorker, KafkaConnection, KafkaSource
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
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


@pytest.fixture
def postgres_source(broker: Broker, connect_worker: Worker, new_database: str) -> KafkaSource:
    """A database of its own, captured through the worker."""
    at = urlsplit(new_database)
    assert at.username is not None
    name = at.path.lstrip("/")
    return KafkaSource(
        capture="kafka", database="postgres", dsn=SecretRef(env="DSN"), topic=f"coexist.{name}",
        kafka=KafkaConnection(bootstrap_servers=broker.bootstrap), connect=ConnectWorker(url=connect_worker.url),
        publication=name, slot=name,
        connector=Connector(
            hostname="127.0.0.1", port=at.port, user=at.username, password="${env:POSTGRES_PASSWORD}", dbname=name,
            heartbeat_seconds=0.5,
        ),
    )  # fmt: skip


@pytest.fixture
def mariadb_source(
    broker: Broker, connect_worker: Worker, mariadb: MariaDb, new_mariadb_database: str
) -> KafkaSource:
    """The same in MariaDB."""
    return KafkaSource(
        capture="kafka", database="mariadb", dsn=SecretRef(env="DSN"), topic=f"coexist.mariadb.{new_mariadb_database}",
        kafka=KafkaConnection(bootstrap_servers=broker.bootstrap), connect=ConnectWorker(url=connect_worker.url),
        server_id=6000 + int(new_mariadb_database.rpartition("_")[2]),
        connector=Connector(
            hostname="127.0.0.1", port=mariadb.port, user="connector", password="${env:MARIADB_PASSWORD}",
            heartbeat_seconds=0.5,
        ),
    )  # fmt: skip
