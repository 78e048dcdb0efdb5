"""Databases captured by real connectors, rendered as an operator's would be, and captures that read their topics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from agent.capture.kafka.capture import KafkaCapture
from agent.capture.kafka.settings import KafkaSettings
from cdc_config.base import SecretRef
from cdc_config.connectors import rendered
from cdc_config.models import Connector, KafkaConnection, KafkaSource
from sandbox.stack.mariadb import MariaDb
from tests.support.connectors import Connectors
from tests.support.topics import await_metadata

Tables = tuple[tuple[str, str], ...]


@dataclass
class KafkaWorld:
    """One source through Kafka. The connector is made by `connect`; captures are closed at the end."""

    name: str
    source: KafkaSource
    settings: KafkaSettings
    connectors: Connectors
    made: list[KafkaCapture] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The ordered topic, which is the connector's name too."""
        return self.settings.topic

    def connect(self, **properties: str) -> None:
        """Make the connector and wait until it runs and has made its topic.

        properties: laid over the rendered ones, `__` for a dot.
        """
        assert self.source.connector is not None
        config = rendered(self.name, self.source, self.source.connector, self.settings.tables)
        config |= {key.replace("__", "."): value for key, value in properties.items()}
        self.connectors.put(self.topic, config)
        await_metadata(self.source.kafka.bootstrap_servers, self.topic)

    def capture(self, *, idle_seconds: float = 0.2, **settings: Any) -> KafkaCapture:
        """A capture of its own; settings: laid over the source's."""
        capture = KafkaCapture(replace(self.settings, **settings), idle_seconds=idle_seconds)
        self.made.append(capture)
        return capture


def postgres_source(bootstrap: str, dsn: str, **more: Any) -> KafkaSource:
    """A PostgreSQL as a source; its password is the worker's POSTGRES_PASSWORD."""
    at = urlsplit(dsn)
    name = at.path.lstrip("/")
    assert at.username is not None
    connector = Connector(
        hostname="127.0.0.1", port=at.port, user=at.username, password="${env:POSTGRES_PASSWORD}", dbname=name,
        heartbeat_seconds=0.5,
    )  # fmt: skip
    return KafkaSource(
        capture="kafka", database="postgres", dsn=SecretRef(env="UNUSED"), topic=f"coexist.{name}", slot=name, publication=name,
        kafka=KafkaConnection(bootstrap_servers=bootstrap), connector=connector, **more,
    )  # fmt: skip


def mariadb_source(bootstrap: str, server: MariaDb, database: str, number: int) -> KafkaSource:
    """A MariaDB as a source; its password is the worker's MARIADB_PASSWORD. number: the connector's among the replicas."""
    connector = Connector(
        hostname="127.0.0.1", port=server.port, user=server.connector.user, password="${env:MARIADB_PASSWORD}",
        heartbeat_seconds=0.5,
    )  # fmt: skip
    return KafkaSource(
        capture="kafka", database="mariadb", dsn=SecretRef(env="UNUSED"), topic=f"coexist.mariadb.{database}", server_id=number,
        kafka=KafkaConnection(bootstrap_servers=bootstrap), connector=connector,
    )  # fmt: skip


@contextmanager
def kafka_world(
    name: str, source: KafkaSource, dsn: str, tables: Tables, connectors: Connectors
) -> Iterator[KafkaWorld]:
    """A source's world; its captures are closed at the end, its connector by whoever owns `connectors`."""
    client = {"bootstrap.servers": source.kafka.bootstrap_servers, "group.id": source.group}
    assert source.topic is not None
    settings = KafkaSettings(source.database, dsn, client, source.topic, tables, source.max_slice_rows)
    world = KafkaWorld(name, source, settings, connectors)
    try:
        yield world
    finally:
        for capture in world.made:
            capture.close()
