"""Every kind of record, with and without its schema; and what none of Debezium's looks like."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.kafka.envelope import (
    NOTHING,
    Begin,
    End,
    Notice,
    Row,
    SchemaChange,
    Unreadable,
    decode,
    moved_key,
)
from tests.support import debezium as d

ROW: dict[str, Any] = {
    "before": None, "after": {"id": 1}, "op": "c", "ts_ms": d.MS,
    "source": {"schema": "public", "table": "t", "snapshot": "false", "ts_ms": d.MS, "lsn": 5},
    "transaction": {"id": "7:71", "total_order": 1},
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6,
)  # fmt: skip


def changed(**more: Any) -> dict[str, Any]:
    """The row with other fields; `source__…` inside its source."""
    value = {**ROW, "source": dict(ROW["source"])}
    for name, told in more.items():
        target = value["source"] if name.startswith("source__") else value
        target[name.removeprefix("source__")] = told
    return value


@pytest.mark.parametrize("with_schema", [False, True])
def test_a_row_is_read_with_and_without_its_schema(with_schema: bool) -> None:
    fields = [{"field": "id"}, {"field": "d", "name": "io.debezium.time.Date"},
              {"field": "l", "items": {"name": "io.debezium.time.MicroTime"}}]  # fmt: skip
    schema = {"fields": [{"field": "before"}, {"field": "after", "fields": fields}, {"field": "op"}]}
    value = {"schema": schema, "payload": ROW} if with_schema else ROW
    row = decode(orjson.dumps(value))
    assert isinstance(row, Row)
    assert (row.op, row.schema, row.table, row.after) == ("c", "public", "t", {"id": 1})
    assert (row.transaction, row.order, row.lsn) == ("7", 1, 5)
    assert row.at == datetime(2024, 1, 1, tzinfo=UTC)
    assert row.fields == ({"d": "io.debezium.time.Date", "l": "io.debezium.time.MicroTime[]"} if with_schema else {})


def test_a_mariadb_row_names_its_database_as_its_schema_and_its_place_in_the_binary_log() -> None:
    source = {"db": "psa", "table": "t", "snapshot": None, "ts_ms": d.MS, "pos": 900, "row": 2, "file": "binlog.1"}
    row = decode(orjson.dumps(changed(source=source, transaction={"id": "0-1-7", "total_order": "3"})))
    assert isinstance(row, Row)
    assert (row.schema, row.place, row.transaction, row.order, row.lsn) == ("psa", (900, 2), "0-1-7", 3, None)


def test_markers_notices_schema_changes_and_what_says_nothing() -> None:
    assert decode(d.begin("7:70").value) == Begin("7")
    assert decode(d.end("7:79", 3).value) == End("7", 3, 79)
    assert decode(d.end("0-1-7", 3).value) == End("0-1-7", 3, None)
    assert decode(d.notice("IN_PROGRESS", [d.LINE]).value) == Notice("Initial Snapshot", "IN_PROGRESS", ("public.line",))
    assert decode(d.schema_change(d.LINE).value) == SchemaChange((d.LINE,), False)
    assert decode(d.schema_change(snapshot=True).value) == SchemaChange((), True)
    assert decode(None) == decode(d.HEARTBEAT.value) == NOTHING
    assert decode(b'{"schema":null,"payload":null}') == NOTHING


@pytest.mark.parametrize(
    ("id", "table"),
    [
        ('"psa"."t"', ("psa", "t")), ('"psa"."a.b"', ("psa", "a.b")), ('"db"."public"."t"', ("public", "t")),
        ('"p""q"."t"', ('p"q', "t")), ("psa.t", ("psa", "t")),
    ],
)  # fmt: skip
def test_a_schema_change_names_its_table_whatever_is_in_the_name(id: str, table: tuple[str, str]) -> None:
    value = {"source": {}, "ddl": "…", "tableChanges": [{"id": id}]}
    assert decode(orjson.dumps(value)) == SchemaChange((table,), False)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (b"", "not JSON"), (b"\xff\xfe", "not JSON"), (b'{"op":"c"', "not JSON"), (b"7", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"{}", "none of|is no change event"), (b'{"name":"x"}', "is no change event"),
        (b'{"payload":[],"schema":1}', "kind|no change"),
        (changed(op="x"), "unknown operation 'x'"), (changed(op=["c"]), "another kind"),
        (changed(op="secret" * 20), "unknown operation"),
        (changed(after=None), "without its row image"), (changed(op="d"), "without its row image"),
        (changed(op="t"), "without its row image"), (changed(after="text"), "another kind"),
        (changed(before=[1]), "another kind"),
        (changed(source=None), "another kind"), (changed(source={}), "no field"), (changed(transaction="7"), "another kind"),
        (changed(transaction={"id": "7"}), "total_order"), (changed(transaction={"id": 7, "total_order": 1}), "another kind"),
        (changed(transaction={"id": "7", "total_order": "secret"}), "another kind"), (changed(source__lsn="5"), "another kind"),
        (changed(source__ts_ms=None), "another kind"), (changed(source__ts_us=2**63 - 1), "another kind"),
        (changed(source__table=7), "another kind"), (changed(source__snapshot=True), "another kind"),
        (changed(source__pos=1), "row"), ({"status": "PAUSE", "id": "7"}, "unknown transaction status"),
        ({"status": "END", "id": "7", "event_count": None}, "another kind"), ({"status": "BEGIN", "id": None}, "another kind"),
        ({"ddl": "x", "source": {}, "tableChanges": [{"id": "t"}]}, "another kind"),
        ({"aggregate_type": 1, "type": 2}, "another kind"),
    ],
)  # fmt: skip
def test_what_is_none_of_debezium_s_is_refused_and_its_values_are_not_repeated(value: Any, what: str) -> None:
    with pytest.raises(Unreadable, match=what) as caught:
        decode(value if isinstance(value, bytes) else orjson.dumps(value))
    assert "secretsecret" not in str(caught.value)


@given(JSON)
def test_any_json_is_an_event_or_refused(value: Any) -> None:
    with contextlib.suppress(Unreadable):
        decode(orjson.dumps(value))


@given(st.sampled_from([*ROW, *(f"source__{name}" for name in ROW["source"])]), JSON)
def test_a_row_with_any_field_replaced_is_an_event_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(Unreadable):
        decode(orjson.dumps(changed(**{name: value})))


@given(st.integers(0, 400))
def test_a_row_cut_off_anywhere_is_refused(length: int) -> None:
    whole = orjson.dumps(ROW)
    if length < len(whole):
        with pytest.raises(Unreadable):
            decode(whole[:length])


def test_only_the_halves_of_a_key_change_say_so() -> None:
    assert moved_key("d", [("__debezium.newkey", b"{}")])
    assert moved_key("c", {"__debezium.oldkey": b"{}"})
    assert not moved_key("c", [("__debezium.newkey", b"{}")])
    assert not moved_key("d", None)
