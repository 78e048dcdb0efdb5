"""Topics that are not what they should be, and brokers that are away: said clearly, gone on from without a loss."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer, TopicPartition

from agent.capture.kafka.capture import KafkaCapture
from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.cursor import Cursor
from agent.errors import SourceError, SourceUnavailable, StreamBroken
from agent.model.changes import ResumePoint
from agent.model.ids import CommitPos
from sandbox.stack.kafka import Broker
from tests.integration.kafka_capture.conftest import Open, Write
from tests.support import debezium as d
from tests.support.capturing import Seen, snapshot, stream_until
from tests.support.debezium import CUSTOMER, LINE, Record
from tests.support.processes import wait_until
from tests.support.stack import NewTopicMaker

pytestmark = pytest.mark.stack
START = ResumePoint(CommitPos(0))


def transaction(number: int, *keys: int) -> list[Record]:
    """Of PostgreSQL, with a customer for every key."""
    rows = [
        d.row(
            "c", CUSTOMER, None, {"id": key, "name": "n"}, transaction=f"{number}:{number * 100 + n}", order=n,
            lsn=number * 100 + n,
        )
        for n, key in enumerate(keys, 1)
    ]  # fmt: skip
    return [d.begin(f"{number}:{number * 100}"), *rows, d.end(f"{number}:{number * 100 + 50}", len(keys))]


def delete_before(broker: Broker, topic: str, offset: int) -> None:
    """As retention would."""
    admin, place = broker.admin(), TopicPartition(topic, 0, offset)
    admin.delete_records([place])[place].result(30)


def keys(seen: Seen) -> list[str | None]:
    """Of all rows, in order."""
    return [str(c.new[0]) for c in seen.rows() if c.new]


def test_a_topic_of_several_partitions_is_refused(open_capture: Open, new_topic: NewTopicMaker) -> None:
    with pytest.raises(SourceError, match="3 partitions, so its order is lost"):
        open_capture(topic=new_topic(partitions=3)).check(START)


def test_a_compacted_topic_is_refused(open_capture: Open, new_topic: NewTopicMaker) -> None:
    with pytest.raises(SourceError, match="is compacted"):
        open_capture(topic=new_topic(cleanup__policy="compact")).check(START)


def test_a_topic_that_is_not_there_yet_is_waited_for(open_capture: Open) -> None:
    with pytest.raises(SourceUnavailable, match="coexist connect apply"):
        open_capture(topic="not.there").check(ResumePoint(None))


def test_foreign_records_are_told_of_and_nothing_is_lost(open_capture: Open, write: Write) -> None:
    odd = [Record(None, raw=raw) for raw in (b"hello", b"\xff", b"{}", b'{"op":"z","source":{}}', b"[1]")]
    write([odd[0], *transaction(1, 1), odd[1], *transaction(2, 2)[:2], odd[2], *transaction(2, 2)[2:], odd[3], odd[4]])
    seen, told = Seen(), []
    for batch in open_capture().stream(START):
        seen.add(batch)
        told += [oddity.place.rpartition("/")[2] for oddity in batch.oddities]
        if len(told) == 5:
            break
    assert keys(seen) == ["1", "2"]
    assert told == ["0", "4", "7", "9", "10"]


def test_a_row_that_was_cut_off_stops_the_stream_at_its_offset(open_capture: Open, write: Write, topic: str) -> None:
    begin, row, end = transaction(2, 2)
    assert row.value is not None
    write([*transaction(1, 1), begin, Record(None, raw=row.value[:40]), end])
    with pytest.raises(StreamBroken, match=r"/4: a record that cannot be read") as caught:
        stream_until(open_capture(), START, lambda seen: len(seen.complete) == 2)
    assert caught.value.where == f"{topic}/5"


def test_rows_of_another_table_than_the_database_s_are_refused(open_capture: Open, write: Write) -> None:
    write([d.begin("1:1"), d.row("c", CUSTOMER, None, {"code": "x"}, transaction="1:2", order=1), d.end("1:9", 1)])
    with pytest.raises(StreamBroken, match="without the columns that are its key"):
        stream_until(open_capture(), START, lambda seen: seen.complete)


def test_a_table_in_the_topic_that_is_not_mapped_is_counted_and_left_out(open_capture: Open, write: Write) -> None:
    other = d.row("c", ("public", "other"), None, {"id": 1}, transaction="1:2", order=1)
    mine = d.row("c", CUSTOMER, None, {"id": 7, "name": "n"}, transaction="1:3", order=2)
    write([d.begin("1:1"), other, mine, d.end("1:9", 2)])
    seen = stream_until(open_capture(), START, lambda seen: seen.complete)
    assert (keys(seen), seen.captured) == (["7"], 1)


def test_an_outage_longer_than_the_retention_is_told_and_not_skipped(
    open_capture: Open, write: Write, broker: Broker, topic: str
) -> None:
    write([*transaction(1, 1), *transaction(2, 2)])
    delete_before(broker, topic, 4)
    behind = ResumePoint(CommitPos(3))
    with pytest.raises(StreamBroken, match=r"gone from the topic.*retention\.ms"):
        open_capture().check(behind)
    with pytest.raises(StreamBroken, match=r"gone from the topic.*retention\.ms"):
        stream_until(open_capture(), behind, lambda seen: seen.complete)
    assert open_capture().check(ResumePoint(CommitPos(4))).flushed_pos == 6


def test_a_snapshot_whose_beginning_is_gone_is_not_taken_for_whole(
    open_capture: Open, write: Write, broker: Broker, topic: str
) -> None:
    read = [d.row("r", CUSTOMER, None, {"id": n, "name": "n"}, snapshot="true") for n in range(3)]
    write([d.notice("STARTED"), d.notice("IN_PROGRESS", [CUSTOMER, LINE]), *read, d.notice("IN_PROGRESS", [CUSTOMER, LINE]),
           d.notice("COMPLETED"), *transaction(1, 1)])  # fmt: skip
    assert len(snapshot(open_capture())[0].rows()) == 3
    for gone in (2, 3):
        delete_before(broker, topic, gone)
        with pytest.raises(StreamBroken, match="without a snapshot of all tables"):
            snapshot(open_capture())


def test_a_topic_that_was_made_anew_is_another_stream(
    open_capture: Open, write: Write, broker: Broker, topic: str, new_topic: NewTopicMaker
) -> None:
    write(transaction(1, 1))
    capture = open_capture()
    first = capture.check(START)
    admin = broker.admin()
    admin.delete_topics([topic])[topic].result(30)
    with pytest.raises((SourceUnavailable, StreamBroken)):
        stream_until(capture, ResumePoint(CommitPos(3)), lambda seen: seen.complete, seconds=60)
    wait_until("the topic is gone", lambda: topic not in admin.list_topics(timeout=10).topics)
    new_topic(topic)
    assert open_capture().check(START).system_id != first.system_id
    for ask in (open_capture().check, lambda resume: stream_until(open_capture(), resume, lambda seen: seen.complete)):
        with pytest.raises(StreamBroken, match=r"made anew or restored|gone from the topic"):
            ask(ResumePoint(CommitPos(3)))


def test_a_database_that_stands_before_what_it_told_was_restored(open_capture: Open, write: Write) -> None:
    write(transaction(1, 1))
    with pytest.raises(StreamBroken, match="it was restored"):
        open_capture().check(ResumePoint(CommitPos(3), cursor=Cursor(lsn=2**62).text()))


def test_what_an_aborted_transaction_of_a_dead_producer_wrote_is_not_seen(
    open_capture: Open, write: Write, broker: Broker, topic: str
) -> None:
    dead = Producer({
        "bootstrap.servers": broker.bootstrap, "transactional.id": "dead", "transaction.timeout.ms": 2000, "log_level": 0,
    })  # fmt: skip
    dead.init_transactions(30)
    dead.begin_transaction()
    for record in transaction(1, 1):
        dead.produce(topic, value=record.value)
    dead.flush(30)
    write(transaction(2, 2))
    # Its transaction stays open, and readers stand still, until it times out.
    assert keys(stream_until(open_capture(), START, lambda seen: seen.complete, seconds=60)) == ["2"]


def test_a_transaction_that_stays_open_is_told_of(broker: Broker, topic: str) -> None:
    gone = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "gone", "log_level": 0})
    gone.init_transactions(30)
    gone.begin_transaction()
    gone.produce(topic, value=b"{}")
    gone.flush(30)
    reader = TopicReader(topic, {"bootstrap.servers": broker.bootstrap, "group.id": "g"}, silence=0.5, hanging=1.0)
    try:
        reader.seek(0)
        with pytest.raises(StreamBroken, match="begins at 0 neither ends nor is aborted"):
            reader.read(30)
        assert broker.end_hanging_transactions(older_than=0) == [f"{topic} at 0"]
        reader.seek(0)
        assert reader.read(3) == []
    finally:
        reader.close()


def test_a_broker_that_comes_back_is_read_on_by_the_same_capture_or_the_next(
    open_capture: Open, write: Write, broker: Broker
) -> None:
    write(transaction(1, 1))
    capture, store = open_capture(), Seen()
    for batch in capture.stream(START):
        store.add(batch)
        if store.complete:
            break
    broker.kill()
    try:
        with pytest.raises(SourceUnavailable, match="check that the brokers run"):
            stream_until(capture, ResumePoint(CommitPos(store.end)), lambda seen: seen.complete)
        with pytest.raises(SourceUnavailable):
            open_capture().check(START)
    finally:
        broker.start()
    write(transaction(2, 2))
    resume = ResumePoint(CommitPos(store.end))

    def follows(capture: KafkaCapture) -> bool:
        try:
            return keys(stream_until(capture, resume, lambda seen: seen.complete)) == ["2"]
        except SourceUnavailable:
            return False

    wait_until("the same capture goes on", lambda: follows(capture), 60)
    wait_until("a new capture goes on", lambda: follows(open_capture()), 60)


def test_an_address_where_no_broker_is_and_credentials_that_are_wrong(open_capture: Open) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be had"):
        open_capture(client={"bootstrap.servers": "127.0.0.1:9"}).check(START)
    with pytest.raises(SourceError, match="refuses its settings"):
        open_capture(client={"security.protocol": "none"}).check(START)
    sasl = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "hidden"}
    with pytest.raises(SourceUnavailable, match="user and password") as caught:
        open_capture(client=sasl).check(START)
    assert "hidden" not in f"{caught.value}{open_capture(client=sasl)!r}"
