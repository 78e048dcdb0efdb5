"""The native stack for tests: one broker, one Connect worker, one MariaDB per test process, started when first asked for.

A folder's conftest.py imports the fixtures it wants: `from tests.support.stack import broker, connect_worker, …`. Its
tests carry `pytest.mark.stack`. One that kills a server puts it back, or has its own (`Broker(stack_directory / "mine")`).
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewTopic

from agent.store.embedded import EmbeddedServer
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from tests.support.connectors import Connectors
from tests.support.topics import await_metadata

NewTopicMaker = Callable[..., str]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stack_directory() -> Iterator[Path]:
    """Where this process's servers live. Everybody may pass through: MariaDB does not run as root."""
    directory = Path(tempfile.mkdtemp(prefix="coexist-stack-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def broker(stack_directory: Path) -> Iterator[Broker]:
    """A running Kafka."""
    with Broker(stack_directory / "kafka") as running:
        yield running


@pytest.fixture(scope="session")
def mariadb_server(stack_directory: Path) -> Iterator[MariaDb]:
    """The MariaDB of this process, not started: its port and passwords are known before."""
    server = MariaDb(stack_directory / "mariadb")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mariadb(mariadb_server: MariaDb) -> MariaDb:
    """A running MariaDB."""
    mariadb_server.start()
    return mariadb_server


@pytest.fixture
def new_mariadb_database(mariadb: MariaDb) -> Iterator[str]:
    """The name of a new database on it, the owner's, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    mariadb.create_database(name)
    yield name
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def connect_environment(server: EmbeddedServer, mariadb_server: MariaDb) -> dict[str, str]:
    """Secrets that connectors name: `${env:POSTGRES_PASSWORD}` (of coexist), `${env:MARIADB_PASSWORD}` (of connector)."""
    return {"POSTGRES_PASSWORD": server.password, "MARIADB_PASSWORD": mariadb_server.connector.password}


@pytest.fixture(scope="session")
def connect_worker(
    stack_directory: Path, broker: Broker, connect_environment: Mapping[str, str]
) -> Iterator[Worker]:
    """A running Connect worker with Debezium, metrics on."""
    with Worker(
        stack_directory / "connect", broker.bootstrap, environment=connect_environment, metrics=True
    ) as running:
        yield running


@pytest.fixture
def new_topic(broker: Broker) -> Iterator[NewTopicMaker]:
    """`new_topic(name=None, partitions=1, **config)` makes a topic and returns its name; deleted afterwards.

    config: settings of the topic, `__` for a dot.
    """
    admin = broker.admin()
    made: list[str] = []

    def make(name: str | None = None, partitions: int = 1, **config: str) -> str:
        topic = name or f"topic-{next(_numbers)}"
        settings = {key.replace("__", "."): value for key, value in config.items()}
        for future in admin.create_topics([NewTopic(topic, partitions, 1, config=settings)]).values():
            future.result(30)
        await_metadata(broker.bootstrap, topic)
        made.append(topic)
        return topic

    yield make
    if made and broker.running:
        for future in admin.delete_topics(made).values():
            future.exception(30)


@pytest.fixture
def connectors(connect_worker: Worker, new_database: str, new_topic: NewTopicMaker) -> Iterator[Connectors]:
    """The worker's REST interface; connectors put through it are gone, and their tasks ended, after the test.

    Before the databases and topics that they use: so it asks for those, whether the test does or not.
    """
    client = Connectors(connect_worker.url)
    yield client
    if not connect_worker.running:
        connect_worker.start()
    client.delete_all()


__all__ = [
    "NewTopicMaker", "TopicPartition", "broker", "connect_environment", "connect_worker", "connectors", "mariadb",
    "mariadb_server", "new_mariadb_database", "new_topic", "stack_directory",
]  # fmt: skip
