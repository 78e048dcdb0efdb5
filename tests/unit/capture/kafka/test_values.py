"""Debezium's JSON values become what PostgreSQL itself would print; what does not fit becomes what no cast takes."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.capture.kafka.semantics import meant
from agent.capture.kafka.values import (
    UNAVAILABLE,
    UNAVAILABLE_BYTES,
    UNAVAILABLE_ID,
    captured,
    converter,
    image_values,
    image_values_with_placeholders,
    may_hold_placeholder,
)
from agent.errors import SourceError
from agent.model.changes import UNCHANGED, Column

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def text(type_name: str, value: Any) -> Any:
    """One value of a column of this type, as it comes out of a message."""
    return image_values({"c": orjson.loads(orjson.dumps(value))}, [converter(type_name)])[0]


@pytest.mark.parametrize(
    ("type_name", "value", "told"),
    [
        ("integer", 42, "42"), ("bigint", -(2**63), "-9223372036854775808"), ("oid", 4_000_000_000, "4000000000"),
        ("smallint", True, "1"), ("smallint", False, "0"), ("boolean", True, "t"), ("boolean", False, "f"),
        ("numeric(12,2)", "12.50", "12.50"), ("numeric", "NAN", "NaN"), ("numeric", "POSITIVE_INFINITY", "Infinity"),
        ("numeric", "NEGATIVE_INFINITY", "-Infinity"), ("numeric(20,0)", -1, "18446744073709551615"),
        ("numeric(20,0)", -(2**63), "9223372036854775808"), ("numeric(20,0)", 7, "7"),
        ("double precision", "NaN", "NaN"), ("real", "-Infinity", "-Infinity"), ("double precision", 3, "3"),
        ("bytea", "AP9B", "\\x00ff41"), ("bytea", "", "\\x"),
        ("bit(1)", True, "1"), ("bit(1)", False, "0"), ("bit(11)", "AQQ=", "10000000001"), ("bit(11)", "", "00000000000"),
        ("bit(64)", "AQAAAAAAAIA=", "1" + "0" * 62 + "1"),
        ("date", 19_782, "2024-02-29"), ("timestamp(3) without time zone", 1, "1970-01-01 00:00:00.000001"),
        ("timestamp with time zone", "2024-02-29T08:00:00.5Z", "2024-02-29 08:00:00.5+00"),
        ("time without time zone", 86_400_000_000, "24:00:00"), ("time(0) with time zone", "08:00:00Z", "08:00:00+00"),
        ("interval", "P1Y2M-3DT4H5M6.789S", "P1Y2M-3DT4H5M6.789S"), ("interval", -500_000, "-00:00:00.5"),
        ("character(4)", "ab  ", "ab  "), ("text", "", ""), ("mood", "it's", "it's"), ("text", None, None),
        ("jsonb", '{"a": 1}', '{"a": 1}'), ("text", {"a": [1]}, '{"a":[1]}'), ("money", "12.50", "12.50"),
        ("integer[]", [1, None, -1], "{1,NULL,-1}"), ("integer[]", [], "{}"), ("date[]", [19_782, None], "{2024-02-29,NULL}"),
        ("bytea[]", ["AP8="], '{"\\\\x00ff"}'), ("boolean[]", [True, None], "{t,NULL}"),
    ],
)  # fmt: skip
def test_a_value_becomes_its_text(type_name: str, value: Any, told: str | None) -> None:
    assert text(type_name, value) == told


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("integer", "12a"), ("integer", 1.5), ("bigint", 2**63), ("smallint", [1]), ("boolean", 2), ("numeric(12,2)", "12,5"),
        ("numeric", {"scale": 2, "value": "BOI="}), ("date", "BOI="), ("date", 10**12), ("date", True),
        ("timestamp without time zone", -(2**62)), ("timestamp without time zone", "soon"),
        ("timestamp with time zone", 1_704_067_200_000_000), ("time without time zone", -1), ("bytea", 7),
        ("bit(3)", "?"), ("bit(3)", "/w=="), ("integer[]", "x"), ("integer[]", [{"a": 1}]), ("uuid", "zz"),
        ("interval", "soon"), ("double precision", "wide"), ("double precision", {}),
    ],
)  # fmt: skip
def test_what_does_not_fit_becomes_what_no_cast_takes(store: psycopg.Connection, type_name: str, value: Any) -> None:
    told = text(type_name, value)
    with pytest.raises(psycopg.errors.DataError):
        store.execute(f"SELECT %s::text::{type_name}", (told,))


def test_floats_are_printed_as_postgresql_prints_them(store: psycopg.Connection) -> None:
    doubles = [
        sign * mantissa * 10.0**power
        for sign in (1, -1) for mantissa in (1.0, 1.5, 2.25, 0.1) for power in (*range(-12, 20), -300, 300)
    ]  # fmt: skip
    for type_name in ("double precision", "real"):
        kept = doubles if type_name == "double precision" else [v for v in doubles if 1e-30 < abs(v) < 1e30]
        rows = store.execute(
            f"SELECT n::{type_name}::text FROM unnest(%s::float8[]) WITH ORDINALITY AS u (n, o) ORDER BY o", (kept,)
        ).fetchall()
        told = [row[0] for row in rows]
        # Debezium sends the shortest number that means the same, as PostgreSQL prints it.
        assert [text(type_name, float(one)) for one in told] == told


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.none() | TEXTS, max_size=6), min_size=1, max_size=20))
def test_arrays_come_through_a_cast_unharmed(store: psycopg.Connection, lists: list[list[str | None]]) -> None:
    for elements in lists:
        row = store.execute("SELECT %s::text::text[]", (text("text[]", elements),)).fetchone()
        assert row == (elements,)


@given(st.binary(max_size=40))
def test_bytes_keep_every_byte(data: bytes) -> None:
    told = text("bytea", base64.b64encode(data).decode())
    assert told is not None
    assert bytes.fromhex(told.removeprefix("\\x")) == data


@given(st.integers(1, 64).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**n - 1))))
def test_bits_keep_their_number_and_length(case: tuple[int, int]) -> None:
    length, number = case
    little = number.to_bytes((length + 7) // 8, "little")
    assert text(f"bit({length})", base64.b64encode(little).decode()) == format(number, f"0{length}b")


FORMS = [
    ("text", UNAVAILABLE), ("bytea", UNAVAILABLE_BYTES), ("text[]", [UNAVAILABLE]), ("integer[]", list(UNAVAILABLE.encode())),
    ("bigint[]", list(UNAVAILABLE.encode())), ("uuid[]", [UNAVAILABLE_ID]), ("text", {UNAVAILABLE: UNAVAILABLE}),
    ("text", orjson.dumps({UNAVAILABLE: UNAVAILABLE}).decode()), ("jsonb", UNAVAILABLE), ("numeric", UNAVAILABLE),
]  # fmt: skip


@pytest.mark.parametrize(("type_name", "form"), FORMS)
def test_a_large_value_that_was_not_touched_is_unchanged_in_all_its_forms(type_name: str, form: Any) -> None:
    columns = [Column("id", "integer", key=True), Column("c", type_name, key=False)]
    message = orjson.dumps({"after": {"id": 1, "c": form}})
    assert may_hold_placeholder(message)
    values = image_values_with_placeholders(
        orjson.loads(message)["after"], columns, [converter(c.type_name) for c in columns]
    )
    assert values == ("1", UNCHANGED)


def test_a_key_is_never_unchanged_and_neither_is_what_only_looks_like_it() -> None:
    columns = [Column("id", "text", key=True), Column("c", "text", key=False), Column("d", "text[]", key=False)]
    image = {"id": UNAVAILABLE, "c": UNAVAILABLE + "!", "d": [UNAVAILABLE, UNAVAILABLE]}
    values = image_values_with_placeholders(image, columns, [converter(c.type_name) for c in columns])
    assert values == (UNAVAILABLE, UNAVAILABLE + "!", f"{{{UNAVAILABLE},{UNAVAILABLE}}}")


def test_a_message_without_a_trace_of_a_placeholder_is_not_looked_through() -> None:
    assert not may_hold_placeholder(orjson.dumps({"after": {"id": 1, "c": "available", "d": [95, 95], "e": "X19k"}}))


@pytest.mark.parametrize("type_name", ["point", "polygon[]", "name", "bit varying(5)", "bit varying", "pg_lsn", "uncaptured"])
def test_types_that_debezium_does_not_tell_faithfully_are_not_captured(type_name: str) -> None:
    assert not captured(Column("c", type_name, key=False))


@pytest.mark.parametrize("type_name", ["text", "bit(5)", "timestamp(3) without time zone", "mood", "numeric[]"])
def test_all_others_are(type_name: str) -> None:
    assert captured(Column("c", type_name, key=False))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("io.debezium.time.Date", 19_782, "2024-02-29"), ("org.apache.kafka.connect.data.Date", 19_782, "2024-02-29"),
        ("io.debezium.time.Timestamp", 1_500, "1970-01-01 00:00:01.5"),
        ("org.apache.kafka.connect.data.Timestamp", -1, "1969-12-31 23:59:59.999"),
        ("io.debezium.time.MicroTimestamp", 1, "1970-01-01 00:00:00.000001"),
        ("io.debezium.time.NanoTimestamp", 1_000, "1970-01-01 00:00:00.000001"), ("io.debezium.time.Time", 1_500, "00:00:01.5"),
        ("org.apache.kafka.connect.data.Time", 0, "00:00:00"), ("io.debezium.time.MicroTime", 1, "00:00:00.000001"),
        ("io.debezium.time.NanoTime", 1_000, "00:00:00.000001"),
    ],
)  # fmt: skip
def test_with_a_schema_any_precision_of_times_can_be_read(name: str, value: int, told: str) -> None:
    convert = meant(name)
    assert convert is not None
    assert convert(value) == told


@pytest.mark.parametrize(
    "name",
    ["org.apache.kafka.connect.data.Decimal", "io.debezium.data.VariableScaleDecimal", "io.debezium.time.MicroDuration"],
)
def test_what_loses_something_on_the_way_is_refused_by_name(name: str) -> None:
    with pytest.raises(SourceError, match=name):
        meant(name)


def test_a_type_without_a_meaning_of_its_own_is_read_as_its_column_says() -> None:
    assert meant(None) is None
    assert meant("io.debezium.time.ZonedTimestamp") is None
