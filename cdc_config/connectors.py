"""From a source to its Debezium connector: every property that carries a guarantee is written out, none is left to chance.

One connector, one topic, one partition: whatever the connector emits (rows, transaction markers, heartbeats, schema changes,
notifications) is routed into the source's ordered topic, where a transaction is assembled by reading on. What each property is
for stands in docs/guide/connectors.md; which of them an operator may not change, and why, in `connector_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdc_config.models import Connector, KafkaConnection, KafkaSource

POSTGRES = "io.debezium.connector.postgresql.PostgresConnector"
MARIADB = "io.debezium.connector.mariadb.MariaDbConnector"
PLUGINS = {"postgres": POSTGRES, "mariadb": MARIADB}
PORTS = {"postgres": 5432, "mariadb": 3306}

_JSON = "org.apache.kafka.connect.json.JsonConverter"
_LARGEST_MESSAGE = 16 * 1024 * 1024  # a document in a text column; the brokers' own default of 1 MB stops the connector
_DAY = 24 * 60 * 60 * 1000

TableName = tuple[str, str]


def ordered_topic(name: str, source: KafkaSource) -> str:
    """The topic that a source is read from."""
    return source.topic or f"coexist.{name}"


def connector_name(name: str, source: KafkaSource) -> str:
    """What the source's connector is called in Connect."""
    given = source.connector.name if source.connector is not None else None
    return given or ordered_topic(name, source)


def rendered(
    name: str, source: KafkaSource, connector: Connector, tables: Sequence[TableName]
) -> dict[str, str]:
    """The connector's whole configuration, by property name. tables: (schema, table) as the source's catalogue spells them.

    Holds references that Connect resolves, no secrets. `connector.properties` win, and are checked elsewhere.
    """
    topic = ordered_topic(name, source)
    included = [*tables, *_signals(connector)]
    parts: list[Mapping[str, str]] = [
        _base(connector_name(name, source), topic, source.database),
        _database(source, connector, included),
        _events(connector),
        _routing(topic),
        _topic_creation(connector),
        _pace(connector),
        _history(topic, source.kafka, connector) if source.database == "mariadb" else {},
        connector.properties,
    ]
    return {key: value for part in parts for key, value in part.items()}


def silent_seconds(source: KafkaSource) -> float:
    """The longest that a healthy connector of an idle source says nothing.

    MariaDB's beats only when the server does, which it asks for four fifths of `connect.keep.alive.interval.ms` apart.
    """
    connector = source.connector
    beat = connector.heartbeat_seconds if connector is not None else 10.0
    if source.database == "postgres":
        return beat
    given = connector.properties.get("connect.keep.alive.interval.ms", "") if connector is not None else ""
    return max(beat, 0.8 * (float(given) / 1000 if given.isdecimal() else 60.0))


def exactly(schema: str, table: str) -> str:
    """A regular expression, as Debezium's include lists take it, for this table and no other."""
    return rf"{_literally(schema)}\.{_literally(table)}"


def _base(name: str, topic: str, database: str) -> dict[str, str]:
    return {
        "name": name,
        "connector.class": PLUGINS[database],
        "tasks.max": "1",
        "topic.prefix": topic,
        "exactly.once.support": "required",
        "transaction.boundary": "poll",
        "errors.tolerance": "none",
        "errors.log.enable": "true",
        "errors.log.include.messages": "false",
    }


def _database(source: KafkaSource, connector: Connector, tables: Sequence[TableName]) -> dict[str, str]:
    shared = {
        "database.hostname": connector.hostname,
        "database.port": str(connector.port or PORTS[source.database]),
        "database.user": connector.user,
        "database.password": connector.password,
        "table.include.list": ",".join(exactly(*table) for table in tables),
        "snapshot.mode": "initial",
    }
    own = _postgres(source, connector) if source.database == "postgres" else _mariadb(source, tables)
    signal = {"signal.data.collection": connector.signal_table} if connector.signal_table else {}
    return {**shared, **own, **signal}


def _postgres(source: KafkaSource, connector: Connector) -> dict[str, str]:
    return {
        "database.dbname": connector.dbname or "",
        "plugin.name": "pgoutput",
        "slot.name": source.slot,
        "slot.drop.on.stop": "false",
        "publication.name": source.publication,
        "publication.autocreate.mode": "filtered" if source.create else "disabled",
        "interval.handling.mode": "string",
        "binary.handling.mode": "bytes",
        "hstore.handling.mode": "json",
        "statistics.metrics.enabled": "false",
    }


def _mariadb(source: KafkaSource, tables: Sequence[TableName]) -> dict[str, str]:
    return {
        "database.server.id": str(source.server_id or ""),
        "database.include.list": ",".join(dict.fromkeys(_literally(schema) for schema, _ in tables)),
        "binary.handling.mode": "bytes",
        "bigint.unsigned.handling.mode": "long",
        "snapshot.locking.mode": "minimal",
        "include.schema.changes": "true",
        "event.deserialization.failure.handling.mode": "fail",
        "inconsistent.schema.handling.mode": "fail",
    }


def _events(connector: Connector) -> dict[str, str]:
    converters = {
        f"{part}.converter{key}": value
        for part in ("key", "value")
        for key, value in {
            "": _JSON,
            ".schemas.enable": "false",
            # Its default puts a column's DEFAULT where the row has NULL.
            ".replace.null.with.default": "false",
        }.items()
    }
    return {
        **converters,
        "header.converter": _JSON,
        "header.converter.schemas.enable": "false",
        "extended.headers.enabled": "false",
        "provide.transaction.metadata": "true",
        "decimal.handling.mode": "string",
        # Days and microseconds whatever the column's precision; isostring loses the era of a date before Christ.
        "time.precision.mode": "microseconds",
        "skipped.operations": "none",
        "event.processing.failure.handling.mode": "fail",
        # Its default puts NULL where a value could not be converted.
        "event.converting.failure.handling.mode": "fail",
    }


def _routing(topic: str) -> dict[str, str]:
    return {
        "transforms": "ordered",
        "transforms.ordered.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.ordered.regex": ".*",
        "transforms.ordered.replacement": topic,
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": f"{topic}.notifications",
    }


def _topic_creation(connector: Connector) -> dict[str, str]:
    return {
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": str(connector.replication_factor),
        "topic.creation.default.cleanup.policy": "delete",
        "topic.creation.default.retention.ms": str(int(connector.retention_days * _DAY)),
        "topic.creation.default.retention.bytes": "-1",
        "topic.creation.default.max.message.bytes": str(_LARGEST_MESSAGE),
    }


def _pace(connector: Connector) -> dict[str, str]:
    return {
        "heartbeat.interval.ms": str(int(connector.heartbeat_seconds * 1000)),
        "poll.interval.ms": str(connector.poll_milliseconds),
        "max.batch.size": "8192",
        "max.queue.size": "32768",
        "producer.override.linger.ms": "5",
        "producer.override.batch.size": "262144",
        "producer.override.compression.type": "lz4",
        "producer.override.max.request.size": str(_LARGEST_MESSAGE),
        "producer.override.transaction.timeout.ms": str(int(connector.transaction_timeout_seconds * 1000)),
    }


def _history(topic: str, kafka: KafkaConnection, connector: Connector) -> dict[str, str]:
    """MariaDB's connector keeps the tables' shapes in a topic of its own, with clients of its own."""
    prefix = "schema.history.internal"
    clients = {
        f"{prefix}.{client}.{key}": value
        for client in ("producer", "consumer")
        for key, value in _client(kafka, connector).items()
    }
    return {
        f"{prefix}.kafka.topic": f"{topic}.schema-history",
        f"{prefix}.kafka.bootstrap.servers": connector.kafka_bootstrap_servers or kafka.bootstrap_servers,
        # Other databases of the server have DDL that is no business of ours and may not be understood.
        f"{prefix}.store.only.captured.databases.ddl": "true",
        f"{prefix}.store.only.captured.tables.ddl": "false",
        f"{prefix}.skip.unparseable.ddl": "false",
        **clients,
    }


def _client(kafka: KafkaConnection, connector: Connector) -> dict[str, str]:
    if kafka.security_protocol == "PLAINTEXT":
        return {}
    found: dict[str, str] = {"security.protocol": kafka.security_protocol}
    if kafka.sasl_mechanism is not None:
        module = "plain.PlainLoginModule" if kafka.sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        found["sasl.mechanism"] = kafka.sasl_mechanism
        found["sasl.jaas.config"] = (
            f"org.apache.kafka.common.security.{module} required"
            f' username="{kafka.sasl_username}" password="{connector.kafka_password}";'
        )
    return found


def _signals(connector: Connector) -> list[TableName]:
    if connector.signal_table is None:
        return []
    schema, _, table = connector.signal_table.partition(".")
    return [(schema, table)]


def _literally(text: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    # Commas and blanks end or trim an entry of the list before anything is read as an expression.
    if character.isspace() or character == ",":
        return rf"\x{{{ord(character):x}}}"
    return "\\" + character if character.isascii() else character
