"""What the Connect worker does with connectors: exactly-once, kills, topics, metrics, its REST interface."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from tests.support.connectors import Connectors, one_stream, postgres_connector
from tests.support.processes import wait_until
from tests.support.stack import NewTopicMaker
from tests.support.topics import Record, read_topic, reading, topic_names

pytestmark = pytest.mark.stack

# Kill → next record. The transaction time-out is 10 s, the session's 6 s; a loaded machine takes longer to start a JVM.
FAIL_OVER_SECONDS = 45.0


def make_table(dsn: str, rows: int = 1) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, filler text)")
        db.execute("INSERT INTO t SELECT n, 'x' FROM generate_series(1, %s) n", (rows,))


def insert(dsn: str, number: int) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("INSERT INTO t VALUES (%s, 'x')", (number,))


def ids(records: list[Record]) -> list[int]:
    """The keys of row events, in the order of the topic."""
    return [record.value["after"]["id"] for record in records if record.value and record.value.get("after")]


@contextmanager
def busy(dsn: str, first: int) -> Iterator[list[int]]:
    """Somebody inserts rows, one per transaction, while the block runs; yields the committed ids."""
    done, committed = threading.Event(), list[int]()

    def work() -> None:
        with psycopg.connect(dsn, autocommit=True) as db:
            number = first
            while not done.wait(0.002):
                db.execute("INSERT INTO t VALUES (%s, repeat('x', 500))", (number,))
                committed.append(number)
                number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield committed
    finally:
        done.set()
        thread.join(30)


def end(broker: Broker, topic: str, isolation: str) -> int:
    """The end of a one-partition topic for a reader: with read_committed that is before the oldest open transaction."""
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "ends", "isolation.level": isolation, "log_level": 0}
    consumer = Consumer(settings)
    try:
        watermarks = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        assert watermarks is not None
        return watermarks[1]
    finally:
        consumer.close()


def kill_in_transaction(worker: Worker, broker: Broker, topic: str) -> None:
    """SIGKILL at a moment when a Kafka transaction of it is open and has written: frozen, looked at, then killed."""

    def frozen_in_transaction() -> bool:
        worker.pause()
        if end(broker, topic, "read_uncommitted") > end(broker, topic, "read_committed"):
            return True
        worker.resume()
        return False

    wait_until("the worker is in a transaction", frozen_in_transaction, 60, every=0.013)
    worker.kill()


def tasks(client: Connectors, name: str) -> list[tuple[str, str]]:
    """(state, worker) of each task."""
    found = client.status(name)
    return [(task["state"], task["worker_id"]) for task in found["tasks"]] if found else []


@pytest.fixture
def second_worker(
    stack_directory: Path, broker: Broker, connect_environment: Mapping[str, str], connect_worker: Worker
) -> Iterator[Worker]:
    """Another worker of the same group."""
    with Worker(stack_directory / "connect-2", broker.bootstrap, environment=connect_environment) as running:
        yield running


def test_exactly_once_is_really_on_rows_are_written_in_transactions(
    broker: Broker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database, rows=3)
    connectors.put("once", postgres_connector(new_database, "once", "public.t") | one_stream("once", topic))
    records = read_topic(broker.bootstrap, topic, 3)
    # A commit takes an offset that no reader sees.
    wait_until("the transaction's end is written", lambda: end(broker, topic, "read_committed") > len(records))


def test_a_worker_without_exactly_once_refuses_a_connector_that_requires_it(
    stack_directory: Path, broker: Broker, connectors: Connectors, new_database: str
) -> None:
    config = {key: str(value) for key, value in postgres_connector(new_database, "req", "public.t").items()}
    config |= {"name": "req", "database.password": "wrong"}
    path = "/connector-plugins/PostgresConnector/config/validate"

    def refusals(client: Connectors) -> list[str]:
        values = [found["value"] for found in client.call("PUT", path, config)[1]["configs"]]
        return [error for value in values if value["name"] == "exactly.once.support" for error in value["errors"]]

    off = {"exactly.once.source.support": "disabled"}
    with Worker(stack_directory / "twice", broker.bootstrap, group="twice", settings=off) as without:
        assert "exactly-once" in " ".join(refusals(Connectors(without.url))).lower()
    assert refusals(connectors) == []


def test_a_topic_that_is_not_there_and_may_not_be_made_gets_nothing_until_topic_creation_is_set(
    broker: Broker, connectors: Connectors, new_database: str
) -> None:
    make_table(new_database)
    config = postgres_connector(new_database, "nt", "public.t")
    creation = {name: value for name, value in config.items() if name.startswith("topic.creation.")}
    connectors.put("nt", {name: value for name, value in config.items() if name not in creation} | {
        "producer.override.max.block.ms": 3000})  # fmt: skip
    wait_until("it has failed", lambda: "FAILED" in connectors.states("nt"))
    assert "nt.public.t" not in topic_names(broker.bootstrap)
    connectors.put("nt", config, wait=False)
    connectors.call("POST", "/connectors/nt/restart?includeTasks=true&onlyFailed=true")
    wait_until("the topic is made", lambda: "nt.public.t" in topic_names(broker.bootstrap))
    assert ids(read_topic(broker.bootstrap, "nt.public.t", 1)) == [1]


def test_the_connectors_of_a_killed_worker_come_back_with_it_and_nothing_is_lost_or_doubled(
    broker: Broker, connect_worker: Worker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database)
    connectors.put("back", postgres_connector(new_database, "back", "public.t") | one_stream("back", topic))
    read_topic(broker.bootstrap, topic, 1)
    with busy(new_database, 2) as committed:
        kill_in_transaction(connect_worker, broker, topic)
        connect_worker.start()
        connectors.await_running("back")
    with reading(broker.bootstrap, topic) as reader:
        last = committed[-1]
        reader.until(f"row {last} has come", lambda records: last in ids(list(records[-20:])), 90)
        assert ids(reader.records) == list(range(1, last + 1))


def test_an_open_transaction_of_a_killed_worker_holds_readers_for_its_time_out_which_is_short_here(
    broker: Broker, connect_worker: Worker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database)
    connectors.put("held", postgres_connector(new_database, "held", "public.t") | one_stream("held", topic))
    read_topic(broker.bootstrap, topic, 1)
    with busy(new_database, 2) as committed:
        kill_in_transaction(connect_worker, broker, topic)
        killed_at = time.monotonic()
        with reading(broker.bootstrap, topic) as reader:
            reader.until("what was committed has been read", lambda _: not reader.poll(1.0))
            seen, written = len(reader.records), end(broker, topic, "read_uncommitted")
            assert end(broker, topic, "read_committed") < written
            connect_worker.start()
            reader.until("a record comes after the kill", lambda records: len(records) > seen)
            took = reader.records[seen].read_at - killed_at
            print(f"killed worker: next record {took:.1f} s after the kill")
            assert took < FAIL_OVER_SECONDS
            assert not set(ids(reader.records)) - {1, *committed}


def test_status_says_running_of_a_killed_worker_while_nobody_works_and_another_takes_over(
    broker: Broker, connect_worker: Worker, second_worker: Worker, connectors: Connectors, new_database: str,
    new_topic: NewTopicMaker,
) -> None:  # fmt: skip
    topic = new_topic()
    make_table(new_database)
    connectors.put("lies", postgres_connector(new_database, "lies", "public.t") | one_stream("lies", topic))
    read_topic(broker.bootstrap, topic, 1)
    workers = {f"127.0.0.1:{worker.port}": worker for worker in (connect_worker, second_worker)}
    [(_, at)] = tasks(connectors, "lies")
    other = Connectors(next(worker.url for address, worker in workers.items() if address != at))
    workers[at].kill()
    insert(new_database, 2)
    assert tasks(other, "lies") == [("RUNNING", at)]
    with reading(broker.bootstrap, topic) as reader:
        reader.until("the other works", lambda records: ids(list(records)) == [1, 2], FAIL_OVER_SECONDS)
    taken = [("RUNNING", next(address for address in workers if address != at))]
    wait_until("the status says so", lambda: tasks(other, "lies") == taken)
    connect_worker.start()


def test_a_frozen_worker_goes_on_where_it_was(
    broker: Broker, connect_worker: Worker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database)
    connectors.put("ice", postgres_connector(new_database, "ice", "public.t") | one_stream("ice", topic))
    with reading(broker.bootstrap, topic) as reader:
        reader.until("the snapshot has come", lambda records: ids(list(records)) == [1])
        connect_worker.pause()
        insert(new_database, 2)
        assert reader.poll(1.5) == []
        connect_worker.resume()
        reader.until("the row has come", lambda records: ids(list(records)) == [1, 2])


def test_stop_answers_204_then_offsets_tell_the_position_and_resume_answers_202(
    broker: Broker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database)
    connectors.put("pos", postgres_connector(new_database, "pos", "public.t") | one_stream("pos", topic))
    insert(new_database, 2)
    read_topic(broker.bootstrap, topic, lambda records: 2 in ids(list(records)))
    assert connectors.call("PUT", "/connectors/pos/stop") == (204, None)
    wait_until("it is stopped", lambda: connectors.states("pos") == ["STOPPED"])
    status, answer = connectors.call("GET", "/connectors/pos/offsets")
    assert status == 200
    [offset] = answer["offsets"]
    assert offset["partition"] == {"server": "pos"}
    assert {"lsn_proc", "lsn_commit", "lsn", "txId", "ts_usec"} <= offset["offset"].keys()
    assert connectors.call("PUT", "/connectors/pos/resume")[0] == 202
    connectors.await_running("pos")


def test_rows_of_an_incremental_snapshot_have_no_position_and_no_transaction(
    broker: Broker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database, rows=3)
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE signal (id text PRIMARY KEY, type text, data text)")
    tables = postgres_connector(new_database, "inc", "public.t,public.signal", signal__data__collection="public.signal")
    connectors.put("inc", tables | one_stream("inc", topic))
    read_topic(broker.bootstrap, topic, 3)
    with psycopg.connect(new_database) as db:
        data = '{"data-collections": ["public.t"], "type": "incremental"}'
        db.execute("INSERT INTO signal VALUES ('now', 'execute-snapshot', %s)", (data,))
    for event in incremental(read_topic(broker.bootstrap, topic, lambda records: len(incremental(list(records))) >= 3)):
        assert event["op"] == "r"
        assert (event["source"]["lsn"], event["source"]["txId"], event["transaction"]) == (None, None, None)


def incremental(records: list[Record]) -> list[dict[str, Any]]:
    """The events of an incremental snapshot."""
    values = [record.value for record in records if record.value and "source" in record.value]
    return [value for value in values if value["source"]["snapshot"] == "incremental"]


def test_the_metrics_agent_answers_with_debeziums_beans(
    broker: Broker, connect_worker: Worker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    topic = new_topic()
    make_table(new_database)
    connectors.put("jmx", postgres_connector(new_database, "jmx", "public.t") | one_stream("jmx", topic))
    read_topic(broker.bootstrap, topic, 1)

    def lines() -> list[str]:
        with urllib.request.urlopen(connect_worker.metrics_url, timeout=30) as answer:
            return [line for line in answer.read().decode().splitlines() if 'server="jmx"' in line]

    wait_until("streaming is reported", lambda: any("millisecondsbehindsource" in line for line in lines()))
    assert any('context="snapshot"' in line and "snapshotcompleted" in line for line in lines())
    assert any('context="streaming"' in line and 'plugin="postgres"' in line for line in lines())


def test_the_logger_that_floods_is_off_and_logging_itself_works(connect_worker: Worker, connectors: Connectors) -> None:
    flood = "io.debezium.metrics.stats.MeasurementCollector"
    assert connectors.call("GET", f"/admin/loggers/{flood}")[1]["level"] == "OFF"
    assert "Kafka Connect started" in connect_worker.said()
    assert "SLF4J: " not in connect_worker.said()


def test_a_connector_names_its_password_and_nobody_is_shown_it(connectors: Connectors, new_database: str) -> None:
    make_table(new_database)
    connectors.put("named", postgres_connector(new_database, "named", "public.t"))
    config = connectors.call("GET", "/connectors/named/config")[1]
    assert config["database.password"] == "${env:POSTGRES_PASSWORD}"
