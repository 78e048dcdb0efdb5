"""Debezium in the stack writes what it should, from both databases."""

from __future__ import annotations

import psycopg
import pytest

from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from tests.support.connectors import Connectors, mariadb_connector, one_stream, postgres_connector
from tests.support.stack import NewTopicMaker
from tests.support.topics import read_topic

pytestmark = pytest.mark.stack


def test_rows_and_markers_of_postgresql_come_in_commit_order_in_one_topic(
    broker: Broker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, amount numeric(10, 2)); INSERT INTO t VALUES (1, 12.50)")
    connectors.put("pg", postgres_connector(new_database, "pg1", "public.t") | one_stream("pg1", topic))
    assert read_topic(broker.bootstrap, topic, 1)[0].value["after"] == {"id": 1, "amount": "12.50"}
    with psycopg.connect(new_database) as db:
        db.execute("INSERT INTO t VALUES (2, 1), (3, 1)")
    records = read_topic(broker.bootstrap, topic, 5)
    assert [record.value.get("op", record.value.get("status")) for record in records] == ["r", "BEGIN", "c", "c", "END"]


def test_rows_and_markers_of_mariadb_come_in_commit_order_in_one_topic(
    broker: Broker, connectors: Connectors, mariadb: MariaDb, new_mariadb_database: str, new_topic: NewTopicMaker
) -> None:
    topic, database = new_topic(), new_mariadb_database
    with mariadb.connect(database=database) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id int PRIMARY KEY, amount decimal(10, 2))")
        cursor.execute("INSERT INTO t VALUES (1, 12.50)")
    config = mariadb_connector(mariadb.port, database, broker.bootstrap, "my1", f"{database}.t")
    connectors.put("my", config | one_stream("my1", topic))
    assert read_topic(broker.bootstrap, topic, 1)[0].value["after"] == {"id": 1, "amount": "12.50"}
    with mariadb.connect(database=database) as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (2, 1), (3, 1)")
    records = read_topic(broker.bootstrap, topic, 5)
    assert [record.value.get("op", record.value.get("status")) for record in records] == ["r", "BEGIN", "c", "c", "END"]
