"""Sources through Kafka: what one field cannot know of another is refused at its own line, and no secret is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdc_config.checks import missing_secrets
from cdc_config.errors import Problem
from cdc_config.loader import config_digest, load, load_config
from cdc_config.models import KafkaSource
from tests.unit.cdc_config.conftest import Refused, Write

BEFORE = "    dsn: {env: FINANCE_DSN}\nmappings:\n"
POSTGRES = """\
    capture: kafka
    database: postgres
    dsn: {env: FINANCE_DSN}
    kafka: {bootstrap_servers: "kafka:9092"}
    connect: {url: "http://connect:8083"}
    connector:
      hostname: legacy
      user: debezium
      password: ${env:LEGACY_PASSWORD}
      dbname: finance
mappings:
"""
MARIADB = """\
  psa:
    capture: kafka
    database: mariadb
    server_id: 6500
    dsn: {env: PSA_DSN}
    kafka: {bootstrap_servers: "kafka:9092"}
    connect: {url: "http://connect:8083/"}
    connector: {hostname: psa, user: debezium, password: "${env:PSA_PASSWORD}"}
mappings:
"""

CASES = [
    ("a_capture_there_is_none_of", "capture: kafka", "capture: kafk", "capture: 'kafk' is wrong", "change `capture`"),
    ("a_database_there_is_none_of", "database: postgres", "database: mysql", "'mysql' is wrong", "change `database`"),
    ("an_unknown_field", "    database:", "    databse: x\n    database:", "databse: unknown field", "'database'"),
    ("brokers_without_port", "kafka:9092", "kafka", "no addresses", "host:port"),
    ("connector_without_connect", '    connect: {url: "http://connect:8083"}\n', "", "connector without connect", "`connect:`"),
    ("connect_that_is_no_address", "http://connect:8083", "connect:8083", "is not an address", "http"),
    ("a_user_without_password", "{url:", "{username: me, url:", "go together", "password"),
    ("a_password_written_out", "${env:LEGACY_PASSWORD}", "hunter2", "written out", "${env:NAME}"),
    ("a_reference_with_something_beside", "${env:LEGACY_PASSWORD}", "${env:X}hunter2", "written out", "${env:NAME}"),
    ("a_connector_without_database", "      dbname: finance\n", "", "dbname: is missing", "database"),
    ("a_number_for_postgres", "capture: kafka", "capture: kafka\n    server_id: 7", "is MariaDB's", "remove"),
    ("a_slot_name_with_capitals", "capture: kafka", "capture: kafka\n    slot: Big", "no usable slot name", "a–z"),
    ("a_topic_with_blanks", "capture: kafka", "capture: kafka\n    topic: a b", "no usable topic name", "letters"),
    ("a_topic_of_dots", "capture: kafka", 'capture: kafka\n    topic: ".."', "no usable topic name", "letters"),
    ("a_user_where_none_logs_in", "9092\"}", '9092", sasl_username: me}', "PLAINTEXT does not use it", "SASL_SSL"),
    ("a_certificate_where_none_is_used", "9092\"}", '9092", ssl_ca_location: ca.pem}', "PLAINTEXT does not use it", "SSL"),
    ("a_signal_table_without_schema", "dbname: finance", "dbname: finance\n      signal_table: signals", "names no table",
     "schema.table"),
    ("no_copies", "dbname: finance", "dbname: finance\n      replication_factor: 0", "keep nothing", "-1"),
    ("a_schema_history_password_for_postgres", "dbname: finance", "dbname: finance\n      kafka_password: ${env:X}",
     "only MariaDB's", "remove"),
    ("a_property_with_a_field", "dbname: finance", "dbname: finance\n      properties: {slot.name: x}", "field of its own",
     "`slot`"),
    ("a_property_that_carries_a_promise", "dbname: finance",
     "dbname: finance\n      properties: {provide.transaction.metadata: 'false'}", "cannot be changed", "remove"),
    ("a_property_with_a_password", "dbname: finance",
     "dbname: finance\n      properties: {database.sslpassword: hunter2}", "a secret is written out", "${env:NAME}"),
]  # fmt: skip


@pytest.fixture
def spoilt(refused: Refused) -> Refused:
    """The problems of a right source through Kafka with one text replaced."""

    def spoil(before: str, after: str) -> tuple[Problem, ...]:
        assert before in POSTGRES
        return refused((BEFORE, POSTGRES.replace(before, after, 1)))

    return spoil


@pytest.mark.parametrize(("before", "after", "what", "remedy"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_it_is_refused_with_a_remedy_and_no_secret(
    spoilt: Refused, before: str, after: str, what: str, remedy: str
) -> None:
    (problem,) = spoilt(before, after)
    assert what in problem.what
    assert remedy in problem.remedy
    assert "coexist.yaml:" in problem.where
    assert "hunter2" not in str(problem)


def test_two_sources_through_kafka_that_share_nothing_are_right(write: Write, tmp_path: Path) -> None:
    config = load_config(write((BEFORE, POSTGRES.replace("mappings:\n", MARIADB))))
    finance, psa = config.sources["finance"], config.sources["psa"]
    assert isinstance(finance, KafkaSource)
    assert isinstance(psa, KafkaSource)
    assert (finance.database, psa.database, psa.server_id) == ("postgres", "mariadb", 6500)


def test_a_source_whose_connector_somebody_else_runs_needs_neither_connector_nor_connect(write: Write) -> None:
    text = 'capture: kafka\n    database: mariadb\n    dsn: {env: X}\n    kafka: {bootstrap_servers: "a:1, b:2"}\n'
    load(write(("    dsn: {env: FINANCE_DSN}\n", f"    {text}")))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("server_id: 6500", "server_id: 6500\n    topic: coexist.finance"), "is the topic of 'finance' too"),
        (("{hostname: psa", "{name: coexist.finance, hostname: psa"), "is the connector of 'finance' too"),
        (("server_id: 6500", "slot: x\n    server_id: 6500"), "slot is PostgreSQL's"),
        (("    server_id: 6500\n", ""), "server_id: is missing"),
        (("{hostname: psa", "{dbname: psa, hostname: psa"), "dbname is PostgreSQL's"),
    ],
    ids=["one_topic", "one_connector", "a_slot_for_mariadb", "no_server_id", "dbname_for_mariadb"],
)
def test_what_two_sources_share_and_what_is_not_mariadbs_is_refused(
    refused: Refused, change: tuple[str, str], what: str
) -> None:
    (problem,) = refused((BEFORE, POSTGRES.replace("mappings:\n", MARIADB.replace(*change))))
    assert what in problem.what
    assert "sources.psa" in problem.what


def test_a_server_id_given_twice_is_refused(refused: Refused) -> None:
    twin = MARIADB.replace("  psa:", "  crm:").replace("mappings:\n", "")
    (problem,) = refused((BEFORE, POSTGRES.replace("mappings:\n", twin + MARIADB)))
    assert "6500 is the number of 'crm' too" in problem.what


def test_a_login_to_kafka_needs_all_its_parts(refused: Refused) -> None:
    over_sasl = MARIADB.replace('"kafka:9092"}', '"kafka:9092", security_protocol: SASL_SSL}')
    problems = refused((BEFORE, POSTGRES.replace("mappings:\n", over_sasl)))
    assert [p.what.partition(":")[0] for p in problems] == [
        "sources.psa.kafka.sasl_mechanism", "sources.psa.kafka.sasl_username", "sources.psa.kafka.sasl_password",
        "sources.psa.connector.kafka_password",
    ]  # fmt: skip


def test_the_address_of_connect_with_a_password_in_it_is_refused_and_not_repeated(spoilt: Refused) -> None:
    (problem,) = spoilt("http://connect:8083", "http://me:hunter2@connect:8083")
    assert "it holds a user or password" in problem.what
    assert "hunter2" not in str(problem)


def test_the_secrets_of_kafka_and_connect_are_asked_for_with_their_lines(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = POSTGRES.replace(
        '"kafka:9092"}',
        '"kafka:9092", security_protocol: SASL_PLAINTEXT, sasl_mechanism: PLAIN, sasl_username: me,'
        " sasl_password: {env: NO_KAFKA}}",
    ).replace('8083"}', '8083", username: me, password: {env: NO_CONNECT}}')
    monkeypatch.setenv("FINANCE_DSN", "postgresql://x")
    loaded = load(write((BEFORE, text)))
    kafka, connect, _client = missing_secrets(loaded.config, loaded.tree)
    assert kafka.what.startswith("sources.finance.kafka.sasl_password: the secret's environment variable NO_KAFKA")
    assert kafka.where.endswith("coexist.yaml:9")
    assert connect.what.startswith("sources.finance.connect.password: the secret's environment variable NO_CONNECT")


def test_certificates_are_looked_for_beside_the_file_that_names_them(write: Write, tmp_path: Path) -> None:
    text = POSTGRES.replace('"kafka:9092"}', '"kafka:9092", security_protocol: SSL, ssl_ca_location: ca/kafka.pem}')
    source = load_config(write((BEFORE, text))).sources["finance"]
    assert isinstance(source, KafkaSource)
    assert source.kafka.ssl_ca_location == tmp_path / "ca/kafka.pem"


def test_the_digest_tells_one_connector_from_another(write: Write) -> None:
    before = config_digest(load_config(write((BEFORE, POSTGRES))))
    assert config_digest(load_config(write((BEFORE, POSTGRES)))) == before
    assert config_digest(load_config(write((BEFORE, POSTGRES.replace("legacy", "other"))))) != before
