"""Rendering a connector: every guarantee is written out, tables are named exactly, nothing secret is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_config.base import SecretRef
from cdc_config.connector_rules import TYPED, is_reference, refusals, shown
from cdc_config.connectors import exactly, rendered
from cdc_config.models import Connector, KafkaConnection, KafkaSource

CONNECTOR = Connector(hostname="db", user="debezium", password="${env:DB}", dbname="finance")


def source(database: str = "postgres", **given: object) -> KafkaSource:
    return KafkaSource.model_validate({
        "capture": "kafka", "database": database, "dsn": SecretRef(env="X"),
        "kafka": KafkaConnection(bootstrap_servers="k:1"), **given,
    })  # fmt: skip


def test_everything_a_connector_says_goes_to_one_topic_in_one_partition() -> None:
    found = rendered("finance", source(), CONNECTOR, [("fin", "invoice")])
    assert found["topic.prefix"] == found["transforms.ordered.replacement"] == "coexist.finance"
    for topic in ("coexist.finance", "coexist.finance.fin.invoice", "coexist.finance.transaction",
                  "__debezium-heartbeat.coexist.finance", found["notification.sink.topic.name"]):  # fmt: skip
        assert re.fullmatch(found["transforms.ordered.regex"], topic)
    assert found["topic.creation.default.partitions"] == "1"
    assert found["topic.creation.default.cleanup.policy"] == "delete"


def test_a_connector_fails_rather_than_leaves_something_out() -> None:
    for database in ("postgres", "mariadb"):
        found = rendered("s", source(database), CONNECTOR, [("a", "b")])
        assert found["errors.tolerance"] == "none"
        assert found["skipped.operations"] == "none"
        assert {v for k, v in found.items() if k.endswith("failure.handling.mode")} == {"fail"}
        assert found["value.converter.replace.null.with.default"] == "false"
        assert (found["exactly.once.support"], found["transaction.boundary"]) == ("required", "poll")


def test_what_only_one_database_knows_is_rendered_for_it_alone() -> None:
    postgres = rendered("s", source(slot="the_slot", create=False), CONNECTOR, [("a", "b")])
    mariadb = rendered("s", source("mariadb", server_id=7), CONNECTOR, [("psa", "b"), ("psa", "c"), ("hr", "d")])
    assert (postgres["slot.name"], postgres["publication.autocreate.mode"]) == ("the_slot", "disabled")
    assert rendered("s", source(), CONNECTOR, [])["publication.autocreate.mode"] == "filtered"
    assert "slot.name" not in mariadb
    assert (mariadb["database.server.id"], mariadb["database.include.list"]) == ("7", "psa,hr")
    assert mariadb["schema.history.internal.kafka.bootstrap.servers"] == "k:1"
    assert not [key for key in postgres if key.startswith("schema.history")]


def test_the_schema_history_logs_in_with_a_reference_and_never_with_a_password() -> None:
    kafka = KafkaConnection(
        bootstrap_servers="k:1", security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="me",
        sasl_password=SecretRef(env="OURS"),
    )  # fmt: skip
    connector = CONNECTOR.model_copy(update={"kafka_password": "${env:THEIRS}", "kafka_bootstrap_servers": "inside:9"})
    found = rendered("s", source("mariadb", kafka=kafka), connector, [("a", "b")])
    assert found["schema.history.internal.kafka.bootstrap.servers"] == "inside:9"
    for client in ("producer", "consumer"):
        jaas = found[f"schema.history.internal.{client}.sasl.jaas.config"]
        assert "ScramLoginModule" in jaas
        assert 'password="${env:THEIRS}"' in jaas
        assert "OURS" not in jaas
        assert shown(f"schema.history.internal.{client}.sasl.jaas.config", jaas) == jaas


def test_a_signal_table_is_captured_with_the_others() -> None:
    connector = CONNECTOR.model_copy(update={"signal_table": "ops.signals"})
    found = rendered("s", source(), connector, [("fin", "invoice")])
    assert found["table.include.list"] == r"fin\.invoice,ops\.signals"
    assert found["signal.data.collection"] == "ops.signals"


def test_free_properties_are_laid_over_and_the_rest_is_refused() -> None:
    free = {"max.batch.size": "100", "database.sslmode": "verify-full", "tombstones.on.delete": "false",
            "producer.override.linger.ms": "50", "heartbeat.action.query": "SELECT 1", "snapshot.mode": "when_needed",
            "schema.history.internal.producer.ssl.truststore.location": "/etc/ca.p12",
            "database.sslpassword": "${file:/etc/x:y}"}  # fmt: skip
    assert refusals(free) == []
    connector = CONNECTOR.model_copy(update={"properties": free})
    assert rendered("s", source(), connector, [("a", "b")]).items() >= free.items()


def test_no_property_that_is_rendered_for_a_guarantee_can_be_laid_over() -> None:
    free = {
        "max.batch.size", "max.queue.size", "errors.log.enable", "snapshot.mode", "statistics.metrics.enabled",
        "extended.headers.enabled", "producer.override.linger.ms", "producer.override.batch.size",
        "producer.override.compression.type", "producer.override.max.request.size",
        "topic.creation.default.max.message.bytes", "schema.history.internal.store.only.captured.databases.ddl",
        "schema.history.internal.store.only.captured.tables.ddl",
    }  # fmt: skip
    for database in ("postgres", "mariadb"):
        every = rendered("s", source(database), CONNECTOR, [("a", "b")])
        refused = {r.property for r in refusals(dict.fromkeys(every, "x") | {"snapshot.mode": "initial"})}
        assert set(every) - refused <= free
        assert not refused & free


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database.ssl.keystore.password", "hunter2"),
        ("schema.history.internal.producer.sasl.jaas.config", 'x required username="u" password="hunter2";'),
        ("schema.history.internal.consumer.sasl.jaas.config", "x required username=u password = hunter2;"),
        ("notification.http.basic.auth.user.info", "u:hunter2"),
    ],
)
def test_a_secret_is_refused_and_never_repeated_or_shown(name: str, value: str) -> None:
    (refusal,) = refusals({name: value})
    assert "hunter2" not in "".join(refusal)
    assert "hunter2" not in shown(name, value)


def test_every_property_with_a_field_is_one_that_is_rendered() -> None:
    connector = CONNECTOR.model_copy(update={"signal_table": "a.b"})
    both = {**rendered("s", source(), connector, [("a", "b")]), **rendered("s", source("mariadb"), connector, [("a", "b")])}
    assert set(TYPED) <= set(both)


def test_the_guide_tells_of_every_property_that_is_rendered_and_of_no_other() -> None:
    guide = (Path(__file__).parents[3] / "docs/guide/connectors.md").read_text(encoding="utf-8")
    table = guide.partition("## What is rendered")[2].partition("\n## ")[0]
    told = {name for row in re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    connector = CONNECTOR.model_copy(update={"signal_table": "a.b", "kafka_password": "${env:X}"})
    kafka = KafkaConnection(bootstrap_servers="k:1", security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="u")
    postgres = rendered("s", source(), connector, [("a", "b")])
    mariadb = rendered("s", source("mariadb", kafka=kafka), connector, [("a", "b")])
    assert told == set(postgres) | set(mariadb)


@given(schema=st.text(min_size=1, max_size=20), table=st.text(min_size=1, max_size=20))
def test_a_table_is_named_by_an_expression_that_survives_a_list_and_fits_nothing_else(schema: str, table: str) -> None:
    expression = exactly(schema, table)
    assert "," not in expression
    assert expression.strip() == expression
    # Java writes a code point \x{…}, Python another way; all else is the same in both.
    ours = re.sub(r"\\x\{([0-9a-f]+)\}", lambda m: re.escape(chr(int(m[1], 16))), expression)
    assert re.fullmatch(ours, f"{schema}.{table}", re.DOTALL)
    assert not re.fullmatch(ours, f"{schema}x{table}")
    assert not re.fullmatch(ours, f"{schema}.{table}x")


@given(st.text(max_size=40))
def test_only_a_whole_reference_is_one(text: str) -> None:
    assert is_reference(f"${{env:{text}}}") == (text != "" and "}" not in text)
    assert not is_reference(f"x${{env:A}}{text}")
