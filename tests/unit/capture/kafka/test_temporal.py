"""Debezium's dates and times against PostgreSQL's own printing of the same moments."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.kafka import temporal

DAY = 86_400_000_000
FIRST_DAY, LAST_DAY = -2_440_588, 106_741_034  # 4714-11-24 BC, 5874897-12-31: all that a PostgreSQL date can be
LAST_TIMESTAMP_DAY = 106_751_990 - 1  # of a timestamp's 64 bits, 294276-12-30
PRINT = "SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'"


@pytest.mark.parametrize(
    ("first", "last", "step"),
    [
        (-880_000, -590_000, 1),  # the turn of the era, and more than the 400 years after which the calendar repeats itself
        (-150_000, 150_000, 1),
        (FIRST_DAY, 3_000_000, 61),
        (3_000_000, LAST_DAY, 997),
    ],
)
def test_a_day_of_any_year_is_printed_as_postgresql_prints_it(
    store: psycopg.Connection, first: int, last: int, step: int
) -> None:
    with store.cursor() as cur:
        cur.execute(PRINT)
        cur.execute(
            "SELECT string_agg((date '1970-01-01' + n)::text, ',' ORDER BY n)"
            " FROM generate_series(%s::int, %s::int, %s::int) n", (first, last, step),
        )  # fmt: skip
        (told,) = cur.fetchone() or ("",)
    assert ",".join(map(temporal.date_text, range(first, last + 1, step))) == told


def test_timestamps_are_printed_as_postgresql_prints_them(store: psycopg.Connection) -> None:
    store.execute(PRINT)
    days = [*range(FIRST_DAY, LAST_TIMESTAMP_DAY, 104_729), LAST_TIMESTAMP_DAY - 1]
    micros = [day * DAY + (day * 7_919_191_919) % DAY for day in days] + [
        day * DAY + rest for day in (-735_160, -1, 0, 19_782) for rest in (0, 1, 100_000, 999_999, 1_000_000, DAY - 1)
    ]  # fmt: skip
    rows = store.execute(
        "SELECT (timestamp '1970-01-01' + (n / 86400000000) * interval '1 day' + (n %% 86400000000) * interval '1 us')::text"
        " FROM unnest(%s::bigint[]) WITH ORDINALITY AS u (n, o) ORDER BY o", (micros,),
    ).fetchall()  # fmt: skip
    assert [temporal.timestamp_text(n) for n in micros] == [text for (text,) in rows]


@given(st.integers(0, DAY))
def test_a_time_of_day_keeps_its_microseconds(micros: int) -> None:
    hours, minutes, seconds = temporal.time_text(micros).split(":")
    whole, _, part = seconds.partition(".")
    assert (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 1_000_000 + int(part.ljust(6, "0")) == micros
    assert len(hours) == len(minutes) == len(whole) == 2
    assert not part.endswith("0")


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "00:00:00"), (DAY, "24:00:00"), (3_020_399_000_000, "838:59:59"), (-3_020_399_000_000, "-838:59:59"),
        (-500_000, "-00:00:00.5"), (-45_296_789_012, "-12:34:56.789012"), (360_000_500_000, "100:00:00.5"),
    ],
)  # fmt: skip
def test_times_longer_than_a_day_and_below_zero_keep_hours_and_sign(
    store: psycopg.Connection, micros: int, text: str
) -> None:
    assert temporal.time_text(micros) == text
    row = store.execute("SELECT extract(epoch FROM %s::interval) * 1000000", (text,)).fetchone()
    assert row == (micros,)


def test_infinities_are_infinite() -> None:
    assert [temporal.date_text(n) for n in (2146033979, -2147472691)] == ["infinity", "-infinity"]
    assert [temporal.date_text(n) for n in (-622191234, -625821272)] == ["infinity", "-infinity"]
    assert [temporal.timestamp_text(n) for n in (2**63 - 1, -(2**63))] == ["infinity", "-infinity"]
    assert [temporal.zoned_text(t) for t in ("infinity", "-infinity")] == ["infinity", "-infinity"]


@pytest.mark.parametrize(
    ("iso", "zoned", "zoneless"),
    [
        ("2024-02-29T08:00:00.123456Z", "2024-02-29 08:00:00.123456+00", "2024-02-29 08:00:00.123456"),
        ("2024-02-29T08:00Z", "2024-02-29 08:00:00+00", "2024-02-29 08:00:00"),
        ("2024-02-29T08:00:00.500000Z", "2024-02-29 08:00:00.5+00", "2024-02-29 08:00:00.5"),
        ("2024-02-29T08:00:00.000Z", "2024-02-29 08:00:00+00", "2024-02-29 08:00:00"),
        ("2024-02-29T08:00:00+05:30", "2024-02-29 08:00:00+05:30", "2024-02-29 08:00:00"),
        ("-0043-03-15T10:00:00.000000Z", "0044-03-15 10:00:00+00 BC", "0044-03-15 10:00:00 BC"),
        ("0000-01-01T00:00:00Z", "0001-01-01 00:00:00+00 BC", "0001-01-01 00:00:00 BC"),
        ("+12024-01-01T00:00:00.000001Z", "12024-01-01 00:00:00.000001+00", "12024-01-01 00:00:00.000001"),
        ("2024-02-29Z", "2024-02-29", "2024-02-29"),
        ("yesterday", "yesterday", "yesterday"),
    ],
)
def test_iso_texts_become_postgresql_s(iso: str, zoned: str, zoneless: str) -> None:
    assert temporal.zoned_text(iso) == zoned
    assert temporal.zoneless_text(iso) == zoneless


def test_a_time_with_a_zone_comes_in_utc() -> None:
    assert temporal.zoned_time_text("08:11:12.500000Z") == "08:11:12.5+00"
    assert temporal.zoned_time_text("08:11Z") == "08:11:00+00"
