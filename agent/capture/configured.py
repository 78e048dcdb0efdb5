"""From a source as it is configured to what captures it: one place that knows which kinds there are."""

from __future__ import annotations

from collections.abc import Sequence

from agent.capture.kafka.databases import Database, PostgresDatabase, open_database
from agent.capture.kafka.settings import KafkaSettings
from agent.capture.kafka.shapes import without_uncaptured
from agent.capture.postgres.settings import CaptureSettings
from agent.model.changes import Relation
from agent.ports import Capture, Observer
from cdc_config.connectors import ordered_topic
from cdc_config.models import KafkaConnection, KafkaSource, PostgresSource, Source
from cdc_config.secrets import resolve

Settings = CaptureSettings | KafkaSettings
Tables = tuple[tuple[str, str], ...]

KINDS: dict[str, type[CaptureSettings] | type[KafkaSettings]] = {"postgres": CaptureSettings, "kafka": KafkaSettings}


def kind_of(settings: Settings) -> str:
    """The name under which settings travel to another process."""
    return next(name for name, kind in KINDS.items() if isinstance(settings, kind))


def settings_of(name: str, source: Source, tables: Tables) -> Settings:
    """What a capture of these tables needs to know. Raises ConfigError when a secret cannot be read."""
    dsn = resolve(source.dsn)
    if isinstance(source, PostgresSource):
        return CaptureSettings(
            dsn, source.publication, source.slot, tables, source.create, source.max_slice_rows,
            source.snapshot_rows_per_second,
        )  # fmt: skip
    client = consumer_properties(source.kafka) | {"group.id": source.group, "client.id": f"coexist-{name}"}
    return KafkaSettings(source.database, dsn, client, ordered_topic(name, source), tables, source.max_slice_rows)


def consumer_properties(kafka: KafkaConnection) -> dict[str, str]:
    """How Kafka's client reaches the brokers, secrets included."""
    given = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol.lower(),
        "sasl.mechanism": kafka.sasl_mechanism,
        "sasl.username": kafka.sasl_username,
        "sasl.password": None if kafka.sasl_password is None else resolve(kafka.sasl_password),
        "ssl.ca.location": None if kafka.ssl_ca_location is None else str(kafka.ssl_ca_location),
    }
    return {key: value for key, value in given.items() if value is not None}


def open_capture(settings: Settings, observer: Observer | None) -> Capture:
    """A capture of its own; nothing is connected yet."""
    return settings.open(observer)


def database_of(source: Source) -> Database:
    """The source's own database, to be asked about its tables. Nothing is connected yet."""
    dsn = resolve(source.dsn)
    return PostgresDatabase(dsn) if isinstance(source, PostgresSource) else open_database(source.database, dsn)


def all_tables(source: Source) -> list[tuple[str, str]]:
    """(schema, table) of every table it has. Raises SourceError, SourceUnavailable."""
    database = database_of(source)
    try:
        return database.all_tables()
    finally:
        database.close()


def relations_of(source: Source, tables: Sequence[tuple[str, str]] | None = None) -> tuple[Relation, ...]:
    """The shapes of tables (default: of all that can be captured), as a capture would tell them."""
    database = database_of(source)
    try:
        wanted = database.all_tables() if tables is None else tables
        found = [d.relation for d in database.shapes(wanted).values()]
    finally:
        database.close()
    return tuple(found if isinstance(source, PostgresSource) else [without_uncaptured(r)[0] for r in found])


def dialect_of(source: Source) -> str:
    """The dialect that the source's mappings are written in."""
    return source.database if isinstance(source, KafkaSource) else "postgres"
