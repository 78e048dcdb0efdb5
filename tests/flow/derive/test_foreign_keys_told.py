"""Foreign keys of a source that is told of by hand: texts, rows nobody can read, images that are not whole, other keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from agent.errors import SourceError
from agent.model.changes import Column, ForeignKey, Relation, RowChange
from agent.operations.books import books
from tests.support.line_oracle import Tuning
from tests.support.told_line import Row, ToldLine

CLIENT = Relation(1, "psa", "client", (
    Column("id", "integer", True), Column("no", "text", False, collation="utf8mb4_general_ci"),
    Column("rank", "integer", False),
))  # fmt: skip
BY_NO = ForeignKey(("client",), "psa", "client", ("no",), "cascade", "cascade")
JOB = Relation(2, "psa", "job", (
    Column("id", "integer", True), Column("client", "text", False, collation="utf8mb4_general_ci"),
    Column("hours", "numeric", False),
), (BY_NO,))  # fmt: skip
CLIENTS: list[Row] = [("1", "Acme", "5"), ("2", "beta", "6")]
JOBS: list[Row] = [("1", "ACME", "1.5"), ("2", "acme ", "2"), ("3", "beta", "3")]


def gone(relation: Relation, row: Row, *, whole: bool = True) -> RowChange:
    """A delete."""
    return RowChange(relation.ref, "d", row if whole else (row[0], *[None] * (len(row) - 1)), None, whole)


def changed(relation: Relation, old: Row, new: Row) -> RowChange:
    """An update, with its whole old image as MariaDB sends it."""
    return RowChange(relation.ref, "u", old, new, old_complete=True)


@pytest.fixture
def make_line(store: psycopg.Connection) -> Iterator[Callable[..., ToldLine]]:
    """A line that has begun with these relations and rows."""
    made: list[ToldLine] = []

    def make(*relations: Relation) -> ToldLine:
        info = store.info
        dsn = f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
        line = ToldLine("told", dsn, dsn, Tuning())
        made.append(line)
        line.begin(relations, {1: CLIENTS, 2: JOBS}, [("SELECT j.id AS id, j.client AS client FROM job j", ("id",))], "psa")
        return line

    yield make
    for line in made:
        line.close()


@pytest.fixture
def line(make_line: Callable[..., ToldLine]) -> ToldLine:
    """Clients and jobs, which refer to them by a text that MariaDB compares without case and padding."""
    return make_line(CLIENT, JOB)


def test_children_are_found_however_they_spell_their_parents_key(line: ToldLine) -> None:
    line.tell([gone(CLIENT, CLIENTS[0])])
    line.derive()
    assert line.live(JOB) == {("3", "beta", "3")}


def test_a_parent_that_only_spells_itself_otherwise_is_spelled_so_by_its_children_too(line: ToldLine) -> None:
    line.tell([changed(CLIENT, CLIENTS[0], ("1", "aCME", "5"))])
    line.derive()
    assert line.live(JOB) == {("1", "aCME", "1.5"), ("2", "aCME", "2"), ("3", "beta", "3")}


def test_the_books_show_what_foreign_keys_did_beside_what_was_captured(line: ToldLine) -> None:
    line.tell([changed(CLIENT, CLIENTS[1], ("2", "gamma", "6")), gone(CLIENT, CLIENTS[0])])
    line.derive()
    found = books(line.admin)
    assert found.balanced
    assert found.effects["told"] == {"cascaded_deletes": 2, "cascaded_updates": 1}
    assert line.items("rows")["merged"] == len(CLIENTS) + len(JOBS) + 2


def test_a_child_that_cannot_be_read_is_held_until_its_parent_takes_it_along(line: ToldLine) -> None:
    line.tell([changed(JOB, JOBS[2], ("3", "beta", "many"))])
    line.derive()
    assert line.items("rows")["held"] == 1
    line.tell([gone(CLIENT, CLIENTS[1])])
    line.derive()
    assert line.live(JOB) == {JOBS[0], JOBS[1]}
    assert line.admin.execute("SELECT DISTINCT state FROM coexist.exception").fetchall() == [("closed",)]
    line.check_books()


def test_a_child_that_its_parent_takes_along_in_the_same_batch_need_not_be_read(line: ToldLine) -> None:
    line.tell([changed(JOB, JOBS[0], ("1", "beta", "many"))])
    line.tell([gone(CLIENT, CLIENTS[1])])
    line.derive()
    assert line.live(JOB) == {JOBS[1]}
    assert "held" not in line.items("rows")
    line.check_books()


def test_a_parent_whose_old_key_cannot_be_read_is_held_and_stops_nothing(make_line: Callable[..., ToldLine]) -> None:
    by_rank = replace(JOB, foreign_keys=(replace(BY_NO, columns=("hours",), parent_columns=("rank",)),))
    line = make_line(CLIENT, by_rank)
    line.tell([gone(CLIENT, ("1", "Acme", "first"))])
    line.tell([gone(CLIENT, CLIENTS[1])])
    line.derive()
    assert line.items("rows")["held"] == 1
    assert line.live(CLIENT) == {CLIENTS[0]}
    line.check_books()


def test_a_parent_told_without_the_values_that_are_referred_to_is_refused(line: ToldLine) -> None:
    line.tell([gone(CLIENT, CLIENTS[0], whole=False)])
    with pytest.raises(SourceError, match="without its old values"):
        line.derive()
    assert line.live(CLIENT) == set(CLIENTS)


def test_a_key_that_was_dropped_acts_no_more_and_a_new_one_does(line: ToldLine) -> None:
    without = replace(JOB, foreign_keys=())
    line.tell([changed(JOB, JOBS[2], ("3", "beta", "4"))], [without])
    line.tell([gone(CLIENT, CLIENTS[0])])
    line.derive()
    assert {row[0] for row in line.live(JOB)} == {"1", "2", "3"}
    line.tell([changed(JOB, ("3", "beta", "4"), ("3", "beta", "5"))], [JOB])
    line.tell([gone(CLIENT, CLIENTS[1])])
    line.derive()
    assert {row[0] for row in line.live(JOB)} == {"1", "2"}


def test_a_source_that_tells_of_every_row_is_asked_nothing(make_line: Callable[..., ToldLine]) -> None:
    line = make_line(CLIENT, replace(JOB, foreign_keys=()))
    line.tell([gone(CLIENT, CLIENTS[0])])
    line.derive()
    assert line.live(JOB) == set(JOBS)
    assert line.conn.execute("SELECT to_regclass('pg_temp.coexist_actions')").fetchone() == (None,)
