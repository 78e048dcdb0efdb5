"""Values that depend on a session's time zone, or on the order of rows, are refused."""

from __future__ import annotations

import pytest

from agent.errors import MappingError
from agent.mapping.compile import compile_mapping
from agent.mapping.schema import SourceSchema, SourceTable
from agent.model.changes import Column
from agent.model.mapping import TableName

T = SourceTable(
    TableName("s", "t"),
    (
        Column("id", "integer", True, True),
        Column("at", "timestamp(3) with time zone", False),
        Column("f", "double precision", False),
        Column("d", "date", False),
    ),
)


def build(value: str) -> None:
    compile_mapping(
        name="s.m", source="s", entity="customer", sql=f"SELECT t.id, {value} AS v FROM t", sql_path="m.sql", key=("id",),
        dialect="postgres", schema=SourceSchema((T,), "s"), mirror_schema="mirror_s", consent_every_root=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "t.at::date", "t.at::text", "extract(year FROM t.at)", "date_trunc('day', t.at)", "to_char(t.at, 'YYYY-MM-DD')",
        "'x' || t.at", "json_build_object('a', t.at)", "t.at + interval '1 day'", "(t.at::date) AT TIME ZONE 'UTC'",
        "(SELECT sum(u.f) FROM t AS u WHERE u.id = t.id)", "(SELECT avg(u.f) FROM t AS u WHERE u.id = t.id)",
        "(SELECT max(w.v)::text FROM (SELECT u.id, coalesce(u.at, u.at) AS v FROM t AS u) AS w WHERE w.id = t.id)",
    ],
)  # fmt: skip
def test_refused(value: str) -> None:
    with pytest.raises(MappingError) as caught:
        build(value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "value",
    [
        "t.at", "(t.at AT TIME ZONE 'UTC')::date", "extract(year FROM t.at AT TIME ZONE 'UTC')", "t.d::text", "t.f",
        "(SELECT sum(u.f::numeric(12,2)) FROM t AS u WHERE u.id = t.id)", "coalesce(t.at, t.at)", "extract(year FROM t.d)",
    ],
)  # fmt: skip
def test_accepted(value: str) -> None:
    build(value)
