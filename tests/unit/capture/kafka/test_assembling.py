"""From records to transactions: every one once, whole and in order, wherever the store stands; what does not fit is refused."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.cursor import Cursor
from agent.capture.kafka.rows import RowReader
from agent.capture.kafka.shapes import Shapes, Table
from agent.capture.kafka.stream import Stream
from agent.errors import SnapshotAhead, SourceError, StreamBroken
from agent.model.changes import CaptureBatch, Column, Relation, ResumePoint, RowChange
from agent.model.ids import CommitPos
from tests.support import debezium as d
from tests.support.debezium import CUSTOMER, LINE, Record, play
from tests.support.debezium_histories import History, Store, histories

START = ResumePoint(CommitPos(0))
BOTH = st.booleans().flatmap(lambda mariadb: histories(mariadb=mariadb))


def run(history: History, store: Store, max_rows: int, chunk: int, batches: int = 10**9) -> Store:
    """The stream from where the store stands; the agent dies after so many batches."""
    if history.again and not history.mariadb:
        max_rows += 10  # of PostgreSQL only the end says that it came before: what was handed over in parts is refused
    for batch in play(
        history.records, store.resume(), max_rows=max_rows, chunk=chunk, ddl_commits=history.mariadb
    )[:batches]:
        store.append(batch)
    return store


def a_customer(key: int, transaction: str, order: int, **more: Any) -> Record:
    return d.row("c", CUSTOMER, None, {"id": key, "name": "n"}, transaction=transaction, order=order, **more)


def rows(batches: list[CaptureBatch]) -> list[list[str | None]]:
    """Keys by slice."""
    return [[str((c.new or c.old or ("-",))[0]) for c in piece.changes] for batch in batches for piece in batch.slices]


# ------------------------------------------------------------------------------------------------ as a property


@settings(max_examples=200, deadline=None)
@given(BOTH, st.integers(1, 12), st.integers(1, 40))
def test_every_transaction_comes_once_whole_and_in_order(history: History, max_rows: int, chunk: int) -> None:
    assert run(history, Store(0), max_rows, chunk).done == history.expected


@settings(max_examples=80, deadline=None)
@given(BOTH, st.integers(1, 12), st.integers(1, 12), st.integers(1, 40))
def test_cut_after_any_batch_and_resumed_it_is_the_same(
    history: History, max_rows: int, afterwards: int, chunk: int
) -> None:
    for cut in range(len(history.records) + 1):
        store = run(history, Store(0), max_rows, chunk, cut)
        assert run(history, store, afterwards, chunk).done == history.expected


@settings(max_examples=200, deadline=None)
@given(BOTH.flatmap(lambda h: st.tuples(st.just(h), st.data())), st.integers(1, 12))
def test_one_event_that_is_missing_doubled_or_swapped_is_refused(
    drawn: tuple[History, st.DataObject], max_rows: int
) -> None:
    history, data = drawn
    if not history.counted:
        return
    at = data.draw(st.sampled_from(history.counted))
    records = list(history.records)
    what = data.draw(st.sampled_from(["missing", "doubled", "swapped"]))
    if what == "missing":
        del records[at]
    elif what == "doubled":
        records.insert(at, records[at])
    else:
        following = next((n for n in history.counted if n > at), None)
        if following is None:
            return
        records[at], records[following] = records[following], records[at]
    with pytest.raises(StreamBroken):
        play(records, START, max_rows=max_rows, ddl_commits=history.mariadb)


@settings(max_examples=200, deadline=None)
@given(BOTH.flatmap(lambda h: st.tuples(st.just(h), st.integers(0, len(h.records)))))
def test_a_foreign_record_anywhere_is_told_of_and_nothing_is_lost(drawn: tuple[History, int]) -> None:
    history, at = drawn
    records = list(history.records)
    records.insert(at, Record(None, raw=b"not Debezium's"))
    try:
        batches = play(records, START, ddl_commits=history.mariadb)
    except StreamBroken:
        # What cannot be proven: beside a cut, or in a statement that has no end to count by.
        assert history.mariadb
        return
    store = Store(0)
    for batch in batches:
        store.append(batch)
    assert store.done == history.expected
    told = [oddity.place for batch in batches for oddity in batch.oddities]
    assert told == [f"t/{at}"] or (not told and at >= store.position)


# ------------------------------------------------------------------------------------------------ one by one


def test_rows_in_transactions_that_came_a_second_time_are_dropped_whole_postgresql() -> None:
    told = [d.begin("7:70"), a_customer(1, "7:71", 1, lsn=71), d.end("7:79", 1)]
    cursor = Cursor(lsn=79).text()
    assert rows(play(told, ResumePoint(CommitPos(0), cursor=cursor))) == []
    later = [d.begin("6:80"), a_customer(2, "6:60", 1, lsn=60), d.end("6:89", 1)]
    assert rows(play([*told, *later], ResumePoint(CommitPos(0), cursor=cursor))) == [["2"]]


def test_a_log_position_that_goes_backwards_is_no_sign_of_a_second_time() -> None:
    first = [d.begin("7:616"), a_customer(1, "7:888", 1, lsn=888), d.end("7:900", 1)]
    second = [d.begin("6:100"), a_customer(2, "6:480", 1, lsn=480), a_customer(3, "6:752", 2, lsn=752), d.end("6:950", 2)]
    assert rows(play([*first, *second], START)) == [["1"], ["2", "3"]]


def test_transactions_that_came_a_second_time_are_dropped_whole_mariadb() -> None:
    resume = ResumePoint(CommitPos(0), cursor=Cursor(gtids={"0": 7}).text())
    told = [d.begin("0-1-7"), a_customer(1, "0-1-7", 1, place=(5, 0)), d.end("0-1-7", 1)]
    of_another_domain = [d.begin("1-1-3"), a_customer(2, "1-1-3", 1, place=(9, 0)), d.end("1-1-3", 1)]
    assert rows(play([*told, *of_another_domain], resume, ddl_commits=True)) == [["2"]]


def test_a_restarted_mariadb_connector_tells_only_the_rest_of_a_transaction_and_nothing_of_it_is_lost() -> None:
    records = [
        d.begin("0-1-7"), a_customer(1, "0-1-7", 1, place=(50, 0)), a_customer(2, "0-1-7", 2, place=(50, 1)),
        d.notice("SKIPPED"), d.begin("0-1-7"), a_customer(3, "0-1-7", 1, place=(50, 2)),
        d.begin("0-1-7"), a_customer(4, "0-1-7", 1, place=(90, 0)), d.end("0-1-7", 1),
        d.begin("0-1-7"), d.end("0-1-7", 0), d.begin("0-1-8"), a_customer(5, "0-1-8", 1, place=(99, 0)), d.end("0-1-8", 1),
    ]  # fmt: skip
    assert rows(play(records, START, ddl_commits=True)) == [["1", "2", "3", "4"], ["5"]]
    parts = play(records, START, max_rows=1, ddl_commits=True)
    assert [piece.first_ordinal for batch in parts for piece in batch.slices if piece.changes][:4] == [0, 1, 2, 3]


def test_a_torn_transaction_that_is_told_again_from_its_beginning_is_refused() -> None:
    rows = [a_customer(n + 1, "0-1-7", n + 1, place=(50, n)) for n in range(2)]
    again = [d.begin("0-1-7"), *rows, d.end("0-1-7", 2)]
    with pytest.raises(StreamBroken, match="not where it was cut off"):
        play([*again[:2], *again], START, ddl_commits=True)
    postgres = [d.begin("7:70"), a_customer(1, "7:71", 1, lsn=71), d.end("7:79", 1)]
    with pytest.raises(StreamBroken, match="a second time"):
        play([*postgres[:2], *postgres], START)


def test_a_key_change_that_was_cut_between_its_halves_is_put_together_or_refused() -> None:
    at: dict[str, Any] = {"transaction": "0-1-7", "order": 1, "place": (50, 0)}
    half = d.row("d", CUSTOMER, {"id": 1, "name": "n"}, None, header="__debezium.newkey", **at)
    other = d.row("c", CUSTOMER, None, {"id": 2, "name": "n"}, header="__debezium.oldkey", **at)
    begin, end = d.begin("0-1-7"), d.end("0-1-7", 1)
    (batch,) = play([begin, half, d.notice("SKIPPED"), begin, other, end], START, ddl_commits=True)
    assert batch.slices[0].changes == [RowChange(1, "u", ("1", "n"), ("2", "n"), True)]
    assert batch.captured == 1
    with pytest.raises(StreamBroken, match="first half"):
        play([begin, half, begin, a_customer(3, "0-1-7", 1, place=(50, 1)), end], START, ddl_commits=True)
    with pytest.raises(StreamBroken, match="middle of a change"):
        play([begin, half, begin, d.end("0-1-7", 0)], START, ddl_commits=True)


def test_truncates_and_messages_count_with_either_way_of_counting() -> None:
    for counted in (3, 2):
        records = [
            d.begin("7:1"), d.row("m", ("", ""), None, None, transaction="7:2", order=1),
            d.row("t", LINE, None, None, transaction="7:3", order=2), a_customer(1, "7:4", 3), d.end("7:9", counted),
        ]  # fmt: skip
        (batch,) = play(records, START)
        assert [c.op for c in batch.slices[0].changes] == ["t", "c"]
        assert batch.captured == 2


def test_a_logical_message_outside_of_any_transaction_is_nothing() -> None:
    message = d.row("m", ("", ""), None, None)
    records = [message, d.begin("7:1"), message, a_customer(1, "7:2", 1), message, d.end("7:9", 1), message]
    assert rows(play(records, START)) == [["1"]]


def test_a_ddl_statement_without_an_end_ends_with_the_next_begin_and_with_one_is_nothing_either() -> None:
    after = [d.begin("0-1-8"), a_customer(1, "0-1-8", 1, place=(9, 0)), d.end("0-1-8", 1)]
    change = d.schema_change(CUSTOMER)
    for between in ([], [d.end("0-1-7", 0)], [d.HEARTBEAT], [d.HEARTBEAT, d.end("0-1-7", 0)]):
        records = [d.begin("0-1-7"), change, *between, *after]
        assert rows(play(records, START, ddl_commits=True)) == [["1"]]


def test_rows_after_a_ddl_statement_in_its_transaction_are_its_rows() -> None:
    records = [d.begin("0-1-7"), d.schema_change(LINE), a_customer(1, "0-1-7", 1, place=(9, 0)), d.end("0-1-7", 1)]
    assert rows(play(records, START, ddl_commits=True)) == [["1"]]


def test_an_idle_position_goes_beyond_a_ddl_statement_and_beyond_what_nobody_captures() -> None:
    records = [d.begin("0-1-7"), d.schema_change(LINE), d.HEARTBEAT, d.HEARTBEAT]
    assert play(records, START, ddl_commits=True, idle=0.0)[-1].end_pos == 4
    assert play([d.begin("7:1"), d.end("7:9", 0), d.HEARTBEAT], START, idle=0.0)[-1].end_pos == 3


def test_rows_outside_of_transactions_are_refused_with_what_to_set() -> None:
    with pytest.raises(StreamBroken, match=r"t/0.*outside of any transaction.*provide.transaction.metadata"):
        play([d.row("c", CUSTOMER, None, {"id": 1, "name": "n"})], START)


@pytest.mark.parametrize(
    ("records", "what"),
    [
        ([d.begin("7:1"), a_customer(1, "7:2", 1), d.end("7:9", 2)], "had 2 events, 1 of them"),
        ([d.begin("7:1"), a_customer(1, "7:2", 2), d.end("7:9", 1)], "event 2 of transaction 7 follows event 0"),
        ([d.begin("7:1"), a_customer(1, "8:2", 1), d.end("7:9", 1)], "transaction 8 follows"),
        ([d.begin("7:1"), a_customer(1, "7:2", 1), d.begin("8:1")], "transaction 7 has no end"),
        ([d.end("7:9", 1)], "ends without having begun"),
        ([d.begin("7:1"), d.end("8:9", 0)], "ends without having begun"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_offset(records: list[Record], what: str) -> None:
    with pytest.raises(StreamBroken, match=what) as caught:
        play(records, START)
    assert caught.value.where.startswith("t/")


def test_the_cut_off_rest_of_a_record_is_refused_at_its_offset_with_the_record_before() -> None:
    row = a_customer(1, "7:2", 1)
    assert row.value is not None
    cut = Record(None, raw=row.value[:-20])
    with pytest.raises(StreamBroken, match=r"had 1 events, 0 of them.*t/1: a record that cannot be read") as caught:
        play([d.begin("7:1"), cut, d.end("7:9", 1)], START)
    assert caught.value.where == "t/2"


def test_a_foreign_record_in_a_transaction_is_told_of_only_when_its_end_has_proven_it_harmless() -> None:
    odd = Record(None, raw=b"{}")
    records = [d.begin("7:1"), odd, a_customer(1, "7:2", 1), a_customer(2, "7:3", 2), d.end("7:9", 2)]
    batches = play(records, START, max_rows=1)
    assert [len(batch.oddities) for batch in batches] == [0, 0, 1]
    assert batches[-1].oddities[0].place == "t/1"


def wide(key: int, transaction: str, order: int) -> Record:
    """A row of a customer after a column was added."""
    return d.row("c", CUSTOMER, None, {"id": key, "name": "n", "since": 0}, transaction=transaction, order=order)


WIDE = {CUSTOMER: Relation(1, *CUSTOMER, (*d.RELATIONS[CUSTOMER].columns, Column("since", "date", key=False)))}


def test_rows_of_an_older_shape_go_first_and_what_is_whole_by_itself() -> None:
    # In one batch with a part of the next transaction the store would stand in the middle of the first.
    records = [
        d.begin("7:1"), a_customer(1, "7:2", 1), d.end("7:9", 1),
        d.begin("8:1"), a_customer(2, "8:2", 1), wide(3, "8:3", 2), d.end("8:19", 2),
    ]  # fmt: skip
    batches = play(records, START, reader=d.row_reader(WIDE))
    assert [[piece.complete for piece in batch.slices] for batch in batches] == [[True], [False], [True]]
    assert [len(relation.columns) for batch in batches for relation in batch.relations] == [2, 3]
    assert batches[0].end_pos == 3
    store = Store(0)
    for batch in batches:
        store.append(batch)
    assert [[c.new for c in done] for done in store.done] == [[("1", "n")], [("2", "n"), ("3", "n", "1970-01-01")]]


def test_a_shape_that_changes_under_rows_of_an_incremental_snapshot_is_refused() -> None:
    read = d.row("r", CUSTOMER, None, {"id": 1, "name": "n"}, snapshot="incremental")
    with pytest.raises(StreamBroken, match="changed its shape"):
        play([d.begin("7:1"), read, wide(2, "7:2", 1), d.end("7:9", 1)], START, reader=d.row_reader(WIDE))


def test_rows_without_their_tables_key_are_of_another_table() -> None:
    strange = d.row("c", CUSTOMER, None, {"name": "n"}, transaction="7:2", order=1)
    with pytest.raises(StreamBroken, match=r"public\.customer come without the columns that are its key"):
        play([d.begin("7:1"), strange, d.end("7:9", 1)], START)


def test_a_field_that_the_catalogue_has_no_more_is_still_handed_over() -> None:
    records = [d.begin("7:1"), wide(1, "7:2", 1), d.end("7:9", 1)]
    (batch,) = play(records, START)
    assert [c.name for c in batch.relations[0].columns] == ["id", "name", "since"]
    assert batch.slices[0].changes[0].new == ("1", "n", "0")


def test_a_table_that_is_gone_is_told_of_with_what_to_do() -> None:
    gone = RowReader(Shapes([CUSTOMER], lambda table: None), [CUSTOMER], lambda table: False)
    with pytest.raises(StreamBroken, match=r"public\.customer, which the database does not have"):
        play([d.begin("7:1"), a_customer(1, "7:2", 1), d.end("7:9", 1)], START, reader=gone)


def test_what_the_catalogue_refuses_in_mid_stream_waits_for_a_person_and_does_not_stop_the_agent() -> None:
    def refuse(table: Table) -> Relation:
        raise SourceError("no primary key", remedy="add one")

    keyless = RowReader(Shapes([CUSTOMER], refuse), [CUSTOMER], lambda table: False)
    with pytest.raises(StreamBroken, match="no primary key") as caught:
        play([d.begin("7:1"), a_customer(1, "7:2", 1), d.end("7:9", 1)], START, reader=keyless)
    assert caught.value.where == "t/1"


def retyping(*types: str) -> RowReader:
    """Reads customers of whose column `since` the catalogue says these types, one after the other."""
    told = iter(types)
    last = types[-1]

    def describe(table: Table) -> Relation:
        return Relation(1, *CUSTOMER, (*d.RELATIONS[CUSTOMER].columns, Column("since", next(told, last), key=False)))

    return RowReader(Shapes([CUSTOMER], describe), [CUSTOMER], lambda table: False)


def test_a_column_that_became_wider_is_named_anew_and_rows_before_it_go_first() -> None:
    records = [d.begin("7:1"), wide(1, "7:2", 1), wide(2, "7:3", 2), d.end("7:9", 2)]
    batches = play(records, START, reader=retyping("integer", "bigint"), chunk=2, ask_types_every=0.0)
    assert [[c.columns[2].type_name for c in batch.relations] for batch in batches] == [["integer"], ["bigint"]]
    assert [[len(piece.changes) for piece in batch.slices] for batch in batches] == [[1], [1]]


def test_a_column_whose_values_come_in_another_form_since_is_refused() -> None:
    # Microseconds read as days, or days as microseconds, would be a wrong date and no error.
    records = [d.begin("7:1"), wide(1, "7:2", 1), wide(2, "7:3", 2), d.end("7:9", 2)]
    with pytest.raises(StreamBroken, match=r"since of public\.customer was timestamp without time zone and is date"):
        play(records, START, reader=retyping("timestamp without time zone", "date"), chunk=2, ask_types_every=0.0)


def test_a_decimal_that_lost_its_scale_is_refused_by_name() -> None:
    record = a_customer(1, "7:2", 1)
    assert record.value is not None
    fields = [{"field": "id"}, {"field": "name", "name": "org.apache.kafka.connect.data.Decimal"}]
    schema = {"fields": [{"field": "before"}, {"field": "after", "fields": fields}]}
    with_schema = Record({"schema": schema, "payload": orjson.loads(record.value)})
    with pytest.raises(StreamBroken, match=r"decimal\.handling\.mode=string"):
        play([d.begin("7:1"), with_schema, d.end("7:9", 1)], START)


def test_a_new_snapshot_in_the_stream_ends_it_before_the_snapshots_beginning() -> None:
    tables = [CUSTOMER, LINE]
    snapshot = [d.notice("STARTED"), d.schema_change(CUSTOMER, snapshot=True), d.HEARTBEAT, d.notice("IN_PROGRESS", tables)]
    records = [d.begin("7:1"), a_customer(1, "7:2", 1), d.end("7:9", 1), *snapshot, a_customer(1, "8:1", 1)]
    store = Store(0)
    _until_a_snapshot(d.PlayedTopic(records), store)
    assert (store.done, store.position) == ([[RowChange(1, "c", None, ("1", "n"))]], 3)


def test_a_snapshot_row_that_nobody_announced_is_not_counted() -> None:
    records = [d.row("r", CUSTOMER, None, {"id": 1, "name": "n"}, snapshot="first")]
    found = _until_a_snapshot(d.PlayedTopic(records), Store(0))
    assert [(batch.captured, batch.slices, batch.end_pos) for batch in found] == [(0, (), 0)]


def test_rows_of_a_blocking_snapshot_of_some_tables_are_as_new_as_the_stream_also_after_a_restart() -> None:
    read = d.row("r", CUSTOMER, None, {"id": 1, "name": "n"}, snapshot="first")
    records = [d.notice("STARTED"), d.notice("DATA_COLLECTIONS_RESOLVED", [CUSTOMER]), read, read, d.notice("COMPLETED"), read]
    store = Store(0)
    _until_a_snapshot(d.PlayedTopic(records, chunk=1), store)
    assert [len(done) for done in store.done] == [1, 1]
    resumed = ResumePoint(CommitPos(3), cursor=Cursor(some_tables=True).text())
    assert [piece.changes[0].op for batch in play(records[:5], resumed) for piece in batch.slices] == ["r"]


def _until_a_snapshot(topic: d.PlayedTopic, store: Store) -> list[CaptureBatch]:
    """What the stream hands over before it says that a snapshot is ahead."""
    stream = Stream(
        cast(TopicReader, topic), START, d.row_reader(), ddl_commits=False, max_rows=100, idle=600.0,
        on_told_again=lambda times: None,
    )  # fmt: skip
    found: list[CaptureBatch] = []
    batches = stream.batches()
    with pytest.raises(SnapshotAhead):
        found.extend(batches)
    for batch in found:
        store.append(batch)
    return found
