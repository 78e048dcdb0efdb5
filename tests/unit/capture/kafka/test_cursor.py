"""What was told before is known, in either database's own count; a source that stands before it was restored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.kafka.cursor import Cursor, gtid_position, number

GTIDS = st.dictionaries(st.integers(0, 9).map(str), st.integers(0, 2**63), max_size=3)


@given(st.none() | st.integers(0, 2**63), GTIDS, st.booleans())
def test_it_comes_back_from_the_store_as_it_was(lsn: int | None, gtids: dict[str, int], some: bool) -> None:
    cursor = Cursor(lsn, gtids, some)
    assert Cursor.read(cursor.text()) == cursor
    assert Cursor.read(None) == Cursor.read("") == Cursor()


@given(st.lists(st.integers(1, 50)), st.integers(1, 50))
def test_postgresql_counts_by_where_transactions_end(ends: list[int], lsn: int) -> None:
    cursor = Cursor()
    for end in ends:
        cursor = cursor.after("7", end)
    assert cursor.told("8", lsn) == (bool(ends) and lsn <= max(ends))
    assert not cursor.told("8", None)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50))), st.integers(0, 2), st.integers(0, 50))
def test_mariadb_counts_in_each_domain(told: list[tuple[int, int]], domain: int, sequence: int) -> None:
    cursor = Cursor()
    for of, n in told:
        cursor = cursor.after(f"{of}-1-{n}", None)
    assert cursor.told(f"{domain}-9-{sequence}", None) == any(of == domain and sequence <= n for of, n in told)


@pytest.mark.parametrize(
    ("known", "now", "restored"),
    [
        (Cursor(), Cursor(lsn=5), False), (Cursor(lsn=5), Cursor(lsn=5), False), (Cursor(lsn=6), Cursor(lsn=5), True),
        (Cursor(gtids={"0": 5}), Cursor(gtids={"0": 5, "1": 1}), False), (Cursor(gtids={"0": 6}), Cursor(gtids={"0": 5}), True),
        (Cursor(gtids={"0": 5, "1": 1}), Cursor(gtids={"0": 9}), True), (Cursor(gtids={"0": 1}), Cursor(), True),
    ],
)  # fmt: skip
def test_a_source_that_stands_before_what_it_told_was_restored(known: Cursor, now: Cursor, restored: bool) -> None:
    assert known.beyond(now) is restored


def test_mariadb_s_list_of_positions() -> None:
    assert gtid_position("0-1-42, 3-11-7,0-2-40,") == {"0": 42, "3": 7}
    assert gtid_position("") == {}
    assert [number(text) for text in ("777", "0-1-42", "", "x")] == [777, 42, 0, 0]
