"""Which snapshot in a topic is the newest whole one, and what it holds."""

from __future__ import annotations

from typing import cast

import pytest

from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.envelope import decode
from agent.capture.kafka.find import SnapshotSearch
from agent.capture.kafka.snapshot import SnapshotRows
from agent.errors import StreamBroken
from agent.model.changes import CaptureBatch
from tests.support import debezium as d
from tests.support.debezium import CUSTOMER, LINE, PlayedTopic, Record

ALL = [CUSTOMER, LINE]
STARTED, COMPLETED = d.notice("STARTED"), d.notice("COMPLETED")
RESOLVED, IN_PROGRESS = d.notice("DATA_COLLECTIONS_RESOLVED", ALL), d.notice("IN_PROGRESS", ALL)
STREAM = [d.begin("7:1"), d.row("c", CUSTOMER, None, {"id": 9, "name": "n"}, transaction="7:2", order=1), d.end("7:9", 1)]


def read(key: int, mark: str = "true") -> Record:
    """A customer as a snapshot reads it."""
    return d.row("r", CUSTOMER, None, {"id": key, "name": "n"}, snapshot=mark, lsn=5)


def start(records: list[Record], after: int | None = None) -> int | None:
    """Where the search begins to read; None: there is nothing yet."""
    search = SnapshotSearch(cast(TopicReader, PlayedTopic(records)), d.row_reader(), after)
    return next(search.starts(0.0))


def taken(records: list[Record], at: int = 0, slice_rows: int = 1000) -> tuple[list[CaptureBatch], SnapshotRows]:
    """All batches of the snapshot that begins at this offset."""
    found, batches = SnapshotRows(at, d.row_reader()), []
    for offset, record in enumerate(records[at:], at):
        found.feed(offset, decode(record.value))
        if found.complete or found.waiting >= slice_rows:
            batches.append(found.take())
        if found.complete:
            break
    return batches, found


@pytest.mark.parametrize(
    ("records", "at"),
    [
        ([STARTED, RESOLVED, IN_PROGRESS, read(1), COMPLETED, *STREAM], 0),
        ([d.HEARTBEAT, STARTED, d.schema_change(CUSTOMER, snapshot=True), IN_PROGRESS, IN_PROGRESS, read(1)], 1),
        ([STARTED, IN_PROGRESS, read(1), STARTED, IN_PROGRESS, read(1), COMPLETED], 3),
        ([STARTED, IN_PROGRESS, COMPLETED, *STREAM, STARTED, RESOLVED, read(1), COMPLETED], 6),
        ([STARTED, IN_PROGRESS, COMPLETED, STARTED, d.notice("IN_PROGRESS", [LINE]), COMPLETED], 0),
        ([read(1), read(2, "last"), *STREAM], 0),
        ([d.HEARTBEAT, read(1, "first_in_data_collection"), *STREAM], 1),
        ([d.HEARTBEAT], None),
        ([STARTED], None),
        ([], None),
    ],
)
def test_the_newest_snapshot_of_all_tables_is_found_where_it_begins(records: list[Record], at: int | None) -> None:
    assert start(records) == at


@pytest.mark.parametrize(
    "records",
    [
        STREAM,
        [STARTED, d.notice("IN_PROGRESS", [CUSTOMER]), read(1), COMPLETED, *STREAM],
        [IN_PROGRESS, read(1), COMPLETED, *STREAM],
    ],
)
def test_a_stream_without_a_whole_snapshot_says_what_to_do(records: list[Record]) -> None:
    with pytest.raises(StreamBroken, match="without a snapshot of all tables"):
        start(records)


def test_without_notices_a_snapshot_of_which_the_beginning_may_be_gone_is_not_taken() -> None:
    cut = [read(1), read(2, "last"), *STREAM]
    for offset, record in enumerate(cut, 100):
        record.offset = offset
    with pytest.raises(StreamBroken, match="without a snapshot"):
        start(cut)
    first = [read(1, "first"), *STREAM]
    first[0].offset = 100
    for offset, record in enumerate(first, 100):
        record.offset = offset
    assert start(first) == 100
    for record in STREAM:
        record.offset = None


def test_after_what_was_captured_only_a_later_snapshot_counts() -> None:
    records = [STARTED, IN_PROGRESS, COMPLETED, *STREAM, STARTED, IN_PROGRESS, read(1), COMPLETED]
    assert start(records, 6) == 6
    with pytest.raises(StreamBroken, match="without a snapshot"):
        start(records[:6], 3)


@pytest.mark.parametrize("slice_rows", [1, 2, 1000])
def test_its_rows_are_one_transaction_complete_on_the_last_slice(slice_rows: int) -> None:
    records = [STARTED, IN_PROGRESS, read(1), read(2), read(3, "last"), COMPLETED, *STREAM]
    batches, found = taken(records, slice_rows=slice_rows)
    assert [c.new and c.new[0] for b in batches for p in b.slices for c in p.changes] == ["1", "2", "3"]
    assert [b.slices[0].complete for b in batches] == [False] * (len(batches) - 1) + [True]
    assert [b.captured for b in batches] == [len(b.slices[0].changes) for b in batches]
    assert {p.commit_pos for b in batches for p in b.slices} == {1}
    assert (found.position, batches[-1].end_pos, batches[-1].cursor is not None) == (6, 6, True)


@pytest.mark.parametrize(
    ("records", "position"),
    [
        ([STARTED, IN_PROGRESS, read(1, "last"), read(2), COMPLETED], 5),  # several threads read
        ([STARTED, IN_PROGRESS, read(1), read(2, "last"), d.notice("SKIPPED")], 5),  # killed before it could say so
        ([STARTED, IN_PROGRESS, read(1), read(2), *STREAM], 4),
        ([read(1), read(2, "last"), *STREAM], 2),
    ],
)
def test_it_is_complete_when_the_connector_says_so_or_the_stream_begins(records: list[Record], position: int) -> None:
    batches, found = taken(records)
    assert found.position == position
    assert sum(b.captured for b in batches) == 2


def test_one_that_was_interrupted_is_void_and_begins_anew() -> None:
    records = [STARTED, IN_PROGRESS, read(1), read(2), STARTED, IN_PROGRESS, read(3), COMPLETED]
    batches, _ = taken(records, slice_rows=2)
    assert [b.anew for b in batches] == [False, True]
    assert [c.new and c.new[0] for p in batches[1].slices for c in p.changes] == ["3"]
    assert (batches[1].slices[0].first_ordinal, batches[1].slices[0].commit_pos) == (0, 5)
    assert batches[1].captured == 1


def test_an_empty_source_has_an_empty_snapshot() -> None:
    ((batch,), _) = taken([STARTED, IN_PROGRESS, COMPLETED])
    assert (batch.captured, batch.slices[0].changes, batch.slices[0].complete) == (0, [], True)
