"""Which foreign keys can be followed, which values meet, and what must be refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.mirror.foreign_keys import Meeting, graph_of, meeting, unfollowable
from agent.mirror.tables import MirrorTable
from agent.model.changes import Column, ForeignKey, Relation
from agent.model.mapping import TableName

CLIENT = Relation(1, "psa", "client", (Column("no", "text", True), Column("name", "text", False)))
KEY = ForeignKey(("client",), "psa", "client", ("no",), "cascade", "none")
JOB = Relation(2, "psa", "job", (Column("id", "integer", True), Column("client", "text", False)), (KEY,))


def mirrored(*relations: Relation) -> list[MirrorTable]:
    """Their tables in the mirror."""
    return [MirrorTable(1, "psa", TableName(r.schema, r.table), r.columns, r.foreign_keys) for r in relations]


@pytest.mark.parametrize(
    ("type_name", "collation", "how"),
    [
        ("integer", "", Meeting.EXACT), ("numeric", "", Meeting.NUMBER), ("bytea", "", Meeting.EXACT),
        ("text", "", Meeting.TEXT), ("character varying", "utf8mb4_bin", Meeting.TEXT),
        ("text", "utf8mb4_general_ci", Meeting.ANY_CASE), ("text", "latin1_general_cs", Meeting.TEXT),
        ("text", "utf8mb4_nopad_bin", Meeting.EXACT), ("text", "utf8mb4_0900_as_cs", Meeting.EXACT),
    ],
)  # fmt: skip
def test_how_values_meet_is_read_from_type_and_collation(type_name: str, collation: str, how: Meeting) -> None:
    assert meeting(Column("c", type_name, False, collation=collation)) is how


@pytest.mark.parametrize(
    ("how", "one", "other"),
    [(Meeting.TEXT, "a ", "a"), (Meeting.ANY_CASE, "Ab", "aB  "), (Meeting.NUMBER, "1.00", "1"), (Meeting.EXACT, "x", "x")],
)
def test_values_that_the_source_takes_for_equal_meet(how: Meeting, one: str, other: str) -> None:
    assert how.of(one) == how.of(other)


@pytest.mark.parametrize(
    ("how", "one", "other"), [(Meeting.TEXT, "a", "A"), (Meeting.EXACT, "a ", "a"), (Meeting.TEXT, " a", "a")]
)
def test_values_that_it_tells_apart_do_not(how: Meeting, one: str, other: str) -> None:
    assert how.of(one) != how.of(other)


def test_a_key_between_captured_tables_is_followed_and_is_nothing_to_refuse() -> None:
    graph = graph_of(mirrored(CLIENT, JOB))
    (link,) = graph.links
    assert link.referred(("C1",)) == link.refers_to(("7", "C1 "))
    assert link.refers_to(("7", None)) is None
    assert unfollowable([CLIENT, JOB]) == []


def test_a_source_without_such_keys_has_nothing_to_follow() -> None:
    assert graph_of(mirrored(CLIENT, replace(JOB, foreign_keys=()))).links == ()


def test_a_key_to_a_table_that_is_not_captured_is_refused_with_what_it_does() -> None:
    assert graph_of(mirrored(JOB)).links == ()
    (said,) = unfollowable([JOB])
    assert said == (
        "psa.job (client) refers to psa.client, which is not captured, ON DELETE CASCADE: the source does that without telling"
    )


def test_a_key_by_a_column_that_is_not_captured_is_refused() -> None:
    by_other = replace(JOB, foreign_keys=(replace(KEY, parent_columns=("code",), on_update="set null"),))
    (said,) = unfollowable([CLIENT, by_other])
    assert "(code)" in said
    assert "ON UPDATE SET NULL" in said
    assert graph_of(mirrored(CLIENT, by_other)).links == ()
