"""What a rendered connector writes: everything in one topic, in order, with nothing lost in a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest

from cdc_config.connectors import TableName, ordered_topic, rendered
from cdc_config.models import KafkaSource
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from tests.support.connectors import Connectors
from tests.support.topics import Reader, Record, await_metadata, reading, topic_names

pytestmark = pytest.mark.stack

Start = Callable[..., AbstractContextManager["Running"]]
KINDS = {"status": "marker", "op": "row", "aggregate_type": "notice", "ddl": "schema"}


class Running:
    """A connector that works, and what it has written so far."""

    def __init__(self, topic: str, reader: Reader) -> None:
        self.topic = topic
        self.reader = reader

    def until(self, what: str, enough: Callable[[Sequence[Record]], object]) -> list[Record]:
        """All records, once there are enough of them."""
        return self.reader.until(what, enough)

    def snapshot(self) -> list[Record]:
        """All up to the notice that the snapshot is complete."""
        found = self.until("the snapshot is complete", lambda records: any(map(_completes, records)))
        return found[: next(n for n, record in enumerate(found) if _completes(record)) + 1]


@pytest.fixture
def start(broker: Broker, connectors: Connectors) -> Start:
    """Render a source's connector for some tables, start it, and read its topic from the beginning."""

    @contextmanager
    def running(source: KafkaSource, tables: Sequence[TableName], **properties: str) -> Iterator[Running]:
        assert source.connector is not None
        dotted = {name.replace("__", "."): value for name, value in properties.items()}
        connector = source.connector.model_copy(update={"properties": dotted})
        config = rendered("s", source, connector, tables)
        connectors.put(config["name"], config)
        topic = ordered_topic("s", source)
        await_metadata(broker.bootstrap, topic)
        with reading(broker.bootstrap, topic) as reader:
            yield Running(topic, reader)

    return running


def test_postgresql_tells_everything_in_one_topic_and_in_order(
    start: Start, broker: Broker, new_database: str, postgres_source: KafkaSource
) -> None:
    before = topic_names(broker.bootstrap)
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE empty (id int PRIMARY KEY); CREATE TABLE left_out (id int PRIMARY KEY)")
        db.execute("CREATE TABLE t (id int PRIMARY KEY, note text DEFAULT 'none', data bytea, held interval)")
        db.execute("INSERT INTO t VALUES (1, NULL, '\\x00ff', '1 day 2 hours')")
    with start(postgres_source, [("public", "t"), ("public", "empty")]) as running:
        snapshot = running.snapshot()
        with psycopg.connect(new_database) as db:
            db.execute("INSERT INTO t VALUES (2, NULL); INSERT INTO left_out VALUES (1); TRUNCATE empty")
        found = running.until("the transaction has ended", lambda rs: _kinds(rs).count("marker") == 2)
        running.until("the source is idle and says so", lambda rs: _kinds(rs)[-3:] == ["heartbeat"] * 3)
    rows = [record.value for record in found if "op" in (record.value or {})]
    assert rows[0]["after"] == {"id": 1, "note": None, "data": "AP8=", "held": "P0Y0M1DT2H0M0S"}
    assert [row["op"] for row in rows] == ["r", "c", "t"]
    assert [_kind(r) for r in found[len(snapshot) :] if _kind(r) != "heartbeat"] == ["marker", "row", "row", "marker"]
    assert topic_names(broker.bootstrap) - before == {running.topic}


def test_mariadb_tells_everything_in_one_topic_and_in_order(
    start: Start, broker: Broker, mariadb: MariaDb, new_mariadb_database: str, mariadb_source: KafkaSource
) -> None:
    name, before = new_mariadb_database, topic_names(broker.bootstrap)
    with mariadb.connect(database=name) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE empty (id int PRIMARY KEY)")
        cursor.execute("CREATE TABLE t (id bigint unsigned PRIMARY KEY, note varchar(9) DEFAULT 'none', data blob)")
        cursor.execute("INSERT INTO t VALUES (18446744073709551615, NULL, x'00ff')")
    with start(mariadb_source, [(name, "t"), (name, "empty")], connect__keep__alive__interval__ms="1250") as running:
        snapshot = running.snapshot()
        with mariadb.connect(database=name) as db, db.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (2, NULL, NULL)")
            cursor.execute("ALTER TABLE t ADD COLUMN more int")
        found = running.until("the new column is told", lambda rs: _kinds(rs[len(snapshot) :]).count("schema"))
        running.until("the source is idle and says so", lambda rs: _kinds(rs)[-2:] == ["heartbeat"] * 2)
    rows = [record.value["after"] for record in found if "op" in (record.value or {})]
    assert rows == [{"id": -1, "note": None, "data": "AP8="}, {"id": 2, "note": None, "data": None}]
    told = [_kind(r) for r in found[len(snapshot) :] if _kind(r) != "heartbeat"]
    assert told == ["marker", "row", "marker", "marker", "schema"]
    assert topic_names(broker.bootstrap) - before == {running.topic, f"{running.topic}.schema-history"}


def test_a_snapshot_of_empty_tables_is_told_to_be_complete(
    start: Start, new_database: str, postgres_source: KafkaSource
) -> None:
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE empty (id int PRIMARY KEY); CREATE TABLE void (id int PRIMARY KEY)")
    with start(postgres_source, [("public", "empty"), ("public", "void")]) as running:
        snapshot = running.snapshot()
    assert "row" not in _kinds(snapshot)
    scanned = [r.value["additional_data"] for r in snapshot if r.value.get("type") == "TABLE_SCAN_COMPLETED"]
    assert {(s["scanned_collection"], s["total_rows_scanned"]) for s in scanned} == {
        ("public.empty", "0"), ("public.void", "0"),
    }  # fmt: skip


def test_rows_of_a_snapshot_stand_before_the_notice_that_it_is_complete_and_those_of_the_stream_after(
    start: Start, new_database: str, postgres_source: KafkaSource
) -> None:
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, pad text)")
        db.execute("INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 30000) n")
    with start(postgres_source, [("public", "t")]) as running, psycopg.connect(new_database, autocommit=True) as db:
        for n in range(30_001, 30_051):
            db.execute("INSERT INTO t VALUES (%s)", (n,))
        found = running.until("all have come", lambda rs: _kinds(rs).count("row") >= 30_050)
    completed = next(n for n, record in enumerate(found) if _completes(record))
    assert {r.value["op"] for r in found[:completed] if _kind(r) == "row"} == {"r"}
    assert {r.value["op"] for r in found[completed:] if _kind(r) == "row"} <= {"c"}
    ids = [r.value["after"]["id"] for r in found if _kind(r) == "row"]
    assert sorted(ids) == list(range(1, 30_051))


def test_a_row_of_megabytes_passes(start: Start, new_database: str, postgres_source: KafkaSource) -> None:
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, document text)")
        db.execute("INSERT INTO t SELECT 1, string_agg(md5(n::text), '') FROM generate_series(1, 200000) n")
    with start(postgres_source, [("public", "t")]) as running:
        (row,) = [r.value for r in running.snapshot() if _kind(r) == "row"]
    assert len(row["after"]["document"]) == 6_400_000


def test_a_table_is_captured_by_its_exact_name(start: Start, new_database: str, postgres_source: KafkaSource) -> None:
    with psycopg.connect(new_database) as db:
        db.execute('CREATE SCHEMA "a b"; CREATE TABLE "a b"."t,$1" (id int PRIMARY KEY); CREATE TABLE xt (id int PRIMARY KEY)')
        db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA public2; CREATE TABLE public2.t (id int PRIMARY KEY)")
        db.execute('INSERT INTO "a b"."t,$1" VALUES (1); INSERT INTO xt VALUES (2); INSERT INTO t VALUES (3)')
        db.execute("INSERT INTO public2.t VALUES (4)")
    with start(postgres_source, [("public", "t"), ("a b", "t,$1")]) as running:
        rows = [r.value for r in running.snapshot() if _kind(r) == "row"]
    assert {(r["source"]["schema"], r["source"]["table"]) for r in rows} == {("public", "t"), ("a b", "t,$1")}


def _kind(record: Record) -> str:
    if record.value is None:
        return "tombstone"
    return next((kind for field, kind in KINDS.items() if field in record.value), "heartbeat")


def _kinds(records: Sequence[Record]) -> list[str]:
    return [_kind(record) for record in records]


def _completes(record: Record) -> bool:
    value = record.value or {}
    return (value.get("aggregate_type"), value.get("type")) == ("Initial Snapshot", "COMPLETED")
