"""The native stack, and captures over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer

from agent.capture.kafka.capture import KafkaCapture
from agent.capture.kafka.settings import KafkaSettings
from sandbox.stack.kafka import Broker
from tests.support.debezium import CUSTOMER, LINE, Record
from tests.support.stack import (
    NewTopicMaker,
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

Write = Callable[..., None]
Open = Callable[..., KafkaCapture]


@pytest.fixture
def customers(new_database: str) -> str:
    """A PostgreSQL with the tables of tests.support.debezium, which nobody captures."""
    with psycopg.connect(new_database) as conn:
        conn.execute("CREATE TABLE customer (id int PRIMARY KEY, name text)")
        conn.execute("CREATE TABLE line (inv int, no int, text text, PRIMARY KEY (inv, no))")
    return new_database


@pytest.fixture
def topic(new_topic: NewTopicMaker) -> str:
    """An ordered topic that no connector writes."""
    return new_topic()


@pytest.fixture
def write(broker: Broker, topic: str) -> Write:
    """`write(records)` as a connector would, or anybody else."""

    def produce(records: Sequence[Record], to: str | None = None) -> None:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        for record in records:
            producer.produce(to or topic, value=record.value, headers=list(record.headers))
        assert producer.flush(30) == 0

    return produce


@pytest.fixture
def open_capture(broker: Broker, customers: str, topic: str) -> Iterator[Open]:
    """Captures of the topic; closed afterwards."""
    made: list[KafkaCapture] = []

    def capture(**more: Any) -> KafkaCapture:
        client = {"bootstrap.servers": broker.bootstrap, "group.id": "test", **more.pop("client", {})}
        settings = KafkaSettings("postgres", customers, client, more.pop("topic", topic), (CUSTOMER, LINE), 1000)
        made.append(KafkaCapture(settings, idle_seconds=0.2))
        return made[-1]

    yield capture
    for capture_ in made:
        capture_.close()
