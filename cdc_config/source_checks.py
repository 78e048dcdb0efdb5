"""What one field of a source cannot know of another, or of another source: one reader per slot, one source per topic, one
connector per name.

No text of a secret is repeated: an operator may have written one where only a reference belongs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from cdc_config import secrets
from cdc_config.connector_rules import is_reference, refusals
from cdc_config.connectors import connector_name, ordered_topic
from cdc_config.errors import Problem
from cdc_config.lines import Item
from cdc_config.models import Config, Connector, KafkaConnection, KafkaSource, PostgresSource
from cdc_config.problems import did_you_mean, dotted

Loc = tuple[str | int, ...]
Found = tuple[Loc, str, str]  # where, what, remedy

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,200}")  # Kafka allows 249; others are named after it
_NODE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}")
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?(/[^\s?#]*)?")
_CONNECTOR = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SQL_NAME = re.compile(r"[a-z_][a-z0-9_$]{0,62}")
_SLOT = re.compile(r"[a-z0-9_]{1,63}")
_NO_NODES = ("these are no addresses", "write host:port, more of them with commas between")
_REFERENCE = "write ${env:NAME} or ${file:/path:key}, which Connect resolves, and give the worker the secret"


def source_problems(config: Config, tree: Item) -> list[Problem]:
    """Everything that is wrong among the sources, with file and line."""
    found = [*_listed(config), *_slots(config), *_shared(config)]
    for name, source in config.sources.items():
        if isinstance(source, KafkaSource):
            found += [((*("sources", name), *loc), what, remedy) for loc, what, remedy in _kafka_source(name, source)]
    return [Problem(f"{dotted(loc)}: {what}", str(tree.find(loc).mark), remedy) for loc, what, remedy in found]


def _listed(config: Config) -> Iterator[Found]:
    for name, source in config.sources.items():
        for i, listed in enumerate(source.mappings):
            loc = ("sources", name, "mappings", i)
            mapping = config.mappings.get(listed)
            if mapping is None:
                yield loc, f"unknown mapping {listed!r}", did_you_mean(listed, config.mappings)
            elif mapping.source != name:
                yield loc, f"{listed!r} reads source {mapping.source!r}", "list it under that source"


def _slots(config: Config) -> Iterator[Found]:
    slots: dict[tuple[str, str], str] = {}
    for name, source in config.sources.items():
        if isinstance(source, PostgresSource) or source.database == "postgres":
            slot = (secrets.describe(source.dsn), source.slot)
            if slot in slots:
                what = f"{source.slot!r} is read by {slots[slot]!r} too"
                yield ("sources", name, "slot"), what, "a slot has one reader: name another"
            slots[slot] = name


def _shared(config: Config) -> Iterator[Found]:
    """What two sources through Kafka may not have in common."""
    through_kafka = [(n, s) for n, s in config.sources.items() if isinstance(s, KafkaSource)]
    for (first, a), (second, b) in combinations(through_kafka, 2):
        topic = ordered_topic(second, b)
        if topic == ordered_topic(first, a) and _nodes(a.kafka) & _nodes(b.kafka):
            what = f"{topic!r} is the topic of {first!r} too"
            yield ("sources", second, "topic"), what, "a topic holds one source: name another"
        elif a.connect is not None and b.connect is not None:
            name = connector_name(second, b)
            if name == connector_name(first, a) and _same_cluster(a.connect.url, b.connect.url):
                what = f"{name!r} is the connector of {first!r} too"
                yield ("sources", second, "connector", "name"), what, "name each connector of a Connect cluster differently"
        if a.server_id is not None and a.server_id == b.server_id:
            what = f"{a.server_id} is the number of {first!r} too"
            yield ("sources", second, "server_id"), what, "give each connector a number of its own"


def _kafka_source(name: str, source: KafkaSource) -> Iterator[Found]:
    topic = ordered_topic(name, source)
    if not _TOPIC.fullmatch(topic) or topic.strip(".") == "":
        yield ("topic",), f"{topic!r} is no usable topic name", "use letters, digits, '.', '_' and '-', at most 200"
    yield from _connection(source.kafka)
    if source.connect is not None:
        yield from _worker(source.connect.url, source.connect.username, source.connect.password is not None)
    if (source.connect is None) != (source.connector is None):
        given, lacks = ("connector", "connect") if source.connect is None else ("connect", "connector")
        yield (given,), f"{given} without {lacks}", f"add `{lacks}:`, or remove both where somebody else runs the connector"
    if source.connector is not None:
        yield from _connector(source, source.connector)
    yield from _of_the_database(source)


def _of_the_database(source: KafkaSource) -> Iterator[Found]:
    managed = source.connector is not None
    if source.database == "mariadb":
        for field in ("slot", "publication", "create"):
            if field in source.model_fields_set:
                yield (field,), f"{field} is PostgreSQL's", "remove it"
        if managed and source.server_id is None:
            yield ("server_id",), "is missing", "give a number that no replica of this server has"
        return
    if source.server_id is not None:
        yield ("server_id",), "server_id is MariaDB's", "remove it"
    if not _SLOT.fullmatch(source.slot):
        yield ("slot",), f"{source.slot!r} is no usable slot name", "use a–z, 0–9 and _, at most 63"
    if not _SQL_NAME.fullmatch(source.publication):
        yield ("publication",), f"{source.publication!r} is no usable name", "use a–z, 0–9 and _, at most 63"


def _connection(kafka: KafkaConnection) -> Iterator[Found]:
    if _wrong_nodes(kafka.bootstrap_servers):
        yield ("kafka", "bootstrap_servers"), *_NO_NODES
    protocol = kafka.security_protocol
    given = {
        "sasl_mechanism": kafka.sasl_mechanism, "sasl_username": kafka.sasl_username, "sasl_password": kafka.sasl_password,
    }  # fmt: skip
    for field, value in given.items():
        if protocol.startswith("SASL") and value is None:
            yield ("kafka", field), f"is missing: {protocol} needs it", f"add `{field}: …`"
        elif not protocol.startswith("SASL") and value is not None:
            yield ("kafka", field), f"{protocol} does not use it", "remove it, or choose SASL_SSL"
    if kafka.sasl_username is not None and re.search(r"[\"\\]", kafka.sasl_username):
        yield ("kafka", "sasl_username"), "quotes and backslashes cannot be handed on to Connect", "use another user"
    if kafka.ssl_ca_location is not None and protocol not in ("SSL", "SASL_SSL"):
        yield ("kafka", "ssl_ca_location"), f"{protocol} does not use it", "remove it, or choose SSL or SASL_SSL"


def _worker(url: str, username: str | None, password: bool) -> Iterator[Found]:
    if "@" in url:
        yield ("connect", "url"), "it holds a user or password", "write them as `username` and `password: {env: NAME}`"
    elif not _URL.fullmatch(url):
        yield ("connect", "url"), f"{url!r} is not an address", "write http://… or https://…"
    if (username is None) == password:
        lacks = "username" if username is None else "password"
        yield ("connect", lacks), "username and password go together", f"add `{lacks}`, or remove the other"


def _connector(source: KafkaSource, connector: Connector) -> Iterator[Found]:
    at = "connector"
    if connector.name is not None and not _CONNECTOR.fullmatch(connector.name):
        yield (at, "name"), f"{connector.name!r} is no usable name", "use letters, digits, '.', '_' and '-', at most 200"
    if not is_reference(connector.password):
        yield (at, "password"), "the password is written out, or no reference that Connect knows", _REFERENCE
    if source.database == "postgres" and not connector.dbname:
        yield (at, "dbname"), "is missing", "name the database that the connector reads"
    if source.database == "mariadb" and connector.dbname is not None:
        yield (at, "dbname"), "dbname is PostgreSQL's", "remove it: the mapped tables tell the databases"
    if connector.replication_factor == 0:
        yield (at, "replication_factor"), "0 copies keep nothing", "write -1 for the brokers' default"
    signals = connector.signal_table
    if signals is not None and not re.fullmatch(r"[^.\s,]+\.[^.\s,]+", signals):
        yield (at, "signal_table"), f"{signals!r} names no table", "write schema.table"
    yield from _history(source, connector)
    for refusal in refusals(connector.properties):
        yield (at, "properties", refusal.property), refusal.what, refusal.remedy


def _history(source: KafkaSource, connector: Connector) -> Iterator[Found]:
    """The brokers as the worker sees them: only MariaDB's connector has clients of its own."""
    if connector.kafka_bootstrap_servers is not None and _wrong_nodes(connector.kafka_bootstrap_servers):
        yield ("connector", "kafka_bootstrap_servers"), *_NO_NODES
    at, given = ("connector", "kafka_password"), connector.kafka_password
    needed = source.database == "mariadb" and source.kafka.security_protocol.startswith("SASL")
    if given is not None and not is_reference(given):
        yield at, "the password is written out, or no reference that Connect knows", _REFERENCE
    elif given is not None and not needed:
        yield at, "only MariaDB's schema history uses it, over SASL", "remove it"
    elif given is None and needed:
        yield at, "is missing: the connector's schema history logs in to Kafka", _REFERENCE


def _wrong_nodes(servers: str) -> bool:
    return not all(_NODE.fullmatch(node.strip()) for node in servers.split(","))


def _nodes(kafka: KafkaConnection) -> set[str]:
    return {node.strip() for node in kafka.bootstrap_servers.split(",")}


def _same_cluster(a: str, b: str) -> bool:
    return a.rstrip("/") == b.rstrip("/")
