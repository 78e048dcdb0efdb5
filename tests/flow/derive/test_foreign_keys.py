"""What foreign keys do unseen in the source is done in the mirror, at its place among the captured changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.flow.derive.firm import Firm
from tests.support.line_oracle import Tuning

ORDERS = [
    "CREATE TABLE client (id int PRIMARY KEY, name text)",
    "CREATE TABLE boss (id int PRIMARY KEY, name text)",
    "CREATE TABLE job (id int PRIMARY KEY, client int REFERENCES client ON DELETE CASCADE ON UPDATE CASCADE,"
    " boss int REFERENCES boss ON DELETE SET NULL ON UPDATE CASCADE, what text)",
    "CREATE TABLE line (job int REFERENCES job ON DELETE CASCADE ON UPDATE CASCADE, no int, hours numeric(8,2),"
    " PRIMARY KEY (job, no))",
    "INSERT INTO client VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "INSERT INTO boss VALUES (1, 'Ada'), (2, 'Bob')",
    "INSERT INTO job VALUES (11, 1, 1, 'a'), (12, 1, 2, 'b'), (21, 2, 1, 'c'), (31, 3, NULL, 'd')",
    "INSERT INTO line VALUES (11, 1, 1), (11, 2, 2), (12, 1, 3), (21, 1, 4), (21, 2, 5)",
]
JOBS = ("SELECT j.id AS id, c.name AS client, b.name AS boss, j.what AS what FROM job j"
        " LEFT JOIN client c ON c.id = j.client LEFT JOIN boss b ON b.id = j.boss", ("id",))  # fmt: skip
HOURS = ("SELECT c.id AS id, (SELECT sum(l.hours) FROM job j JOIN line l ON l.job = j.id WHERE j.client = c.id) AS hours"
         " FROM client c", ("id",))  # fmt: skip
LINES = ("SELECT l.job AS job, l.no AS no, l.hours AS hours FROM line l", ("job", "no"))


@pytest.fixture
def make_firm(new_database: str, store: psycopg.Connection) -> Iterator[Callable[..., Firm]]:
    """A firm with this tuning."""
    made: list[Firm] = []
    store_dsn = new_database.rpartition("/")[0] + "/" + store.info.dbname

    def make(**tuning: int) -> Firm:
        made.append(Firm(new_database, store_dsn, Tuning(**tuning)))
        return made[-1]

    yield make
    for firm in made:
        firm.close()


@pytest.fixture(params=[1, 8192], ids=["row by row", "in one batch"])
def firm(make_firm: Callable[..., Firm], request: pytest.FixtureRequest) -> Firm:
    """Clients, bosses, jobs and their lines; the same must come out however the batches are cut."""
    made = make_firm(batch_rows=request.param)
    made.begin(ORDERS, [JOBS, HOURS, LINES])
    return made


def test_children_of_a_deleted_parent_are_gone_through_all_levels(firm: Firm) -> None:
    with firm.txn():
        firm.delete("client", "id = 1")
    firm.catch_up()
    assert set(firm.ids()) == {21, 31}
    assert firm.effects() == {"cascaded_deletes": 5}


def test_children_lose_a_reference_that_is_set_null_and_keep_the_rest(firm: Firm) -> None:
    before = firm.ids()
    with firm.txn():
        firm.delete("boss", "id = 1")
    firm.catch_up()
    assert firm.ids() == before
    assert firm.effects() == {"cascaded_nulls": 2}


def test_children_follow_a_parent_that_is_renumbered(firm: Firm) -> None:
    with firm.txn():
        firm.update("client", "id = 100", "id = 1")
        firm.update("boss", "id = 9", "id = 2")
    firm.catch_up()
    assert firm.effects() == {"cascaded_updates": 3}


def test_an_entity_keeps_its_id_when_its_key_follows_that_of_its_parent(firm: Firm) -> None:
    before = firm.ids(2)
    with firm.txn():
        firm.update("job", "id = 111", "id = 11")
    firm.catch_up()
    after = firm.ids(2)
    assert [after[111, 1], after[111, 2]] == [before[11, 1], before[11, 2]]
    assert after[21, 1] == before[21, 1]


def test_a_key_that_wanders_takes_its_children_along_and_none_that_came_after(firm: Firm) -> None:
    before = firm.ids(2)
    with firm.txn():
        firm.update("job", "id = 99", "id = 11")
    with firm.txn():
        firm.update("job", "id = 11", "id = 21")
    with firm.txn():
        firm.update("job", "id = 21", "id = 99")
    firm.catch_up()
    after = firm.ids(2)
    assert [after[21, 1], after[11, 1], after[11, 2]] == [before[11, 1], before[21, 1], before[21, 2]]


def test_a_child_that_is_new_in_the_transaction_goes_with_its_parent(firm: Firm) -> None:
    with firm.txn():
        firm.insert("job", (13, 1, 1, "new"))
        firm.insert("line", (13, 1, 7))
        firm.delete("client", "id = 1")
    firm.catch_up()
    assert firm.effects() == {"cascaded_deletes": 7}


def test_a_child_that_was_moved_away_in_time_stays(firm: Firm) -> None:
    before = firm.ids()
    with firm.txn():
        firm.update("job", "client = 2", "id = 11")
        firm.delete("client", "id = 1")
    firm.catch_up()
    assert firm.ids() == {11: before[11], 21: before[21], 31: before[31]}


def test_a_child_that_was_moved_to_a_parent_goes_with_it_and_what_it_holds_too(firm: Firm) -> None:
    with firm.txn():
        firm.update("job", "client = 3", "id = 11")
        firm.delete("client", "id = 3")
    firm.catch_up()
    assert set(firm.ids()) == {12, 21}


def test_a_parent_that_comes_back_brings_only_the_children_that_come_with_it(firm: Firm) -> None:
    before = firm.ids()
    with firm.txn():
        firm.delete("client", "id = 1")
        firm.insert("client", (1, "again"))
        firm.insert("job", (11, 1, None, "again"))
        firm.insert("line", (11, 2, 8))
    firm.catch_up()
    assert firm.ids()[11] == before[11]


def test_parents_deleted_after_their_renumbering_take_their_children_with_them(firm: Firm) -> None:
    with firm.txn():
        firm.update("client", "id = 50", "id = 1")
        firm.update("job", "what = 'touched'", "id = 11")
        firm.update("job", "id = 60", "id = 12")
    with firm.txn():
        firm.delete("client", "id = 50")
    firm.catch_up()
    assert set(firm.ids()) == {21, 31}


def test_children_that_an_application_deletes_itself_are_no_effect(firm: Firm) -> None:
    with firm.txn():
        firm.delete("line", "job IN (11, 12)")
        firm.delete("job", "client = 1")
        firm.delete("client", "id = 1")
    firm.catch_up()
    assert firm.effects() == {}


def test_a_large_number_of_parents_is_one_pass(make_firm: Callable[..., Firm]) -> None:
    firm = make_firm(batch_rows=20_000, slice_entities=50_000)
    firm.begin([*ORDERS, "INSERT INTO client SELECT g, 'c' FROM generate_series(1001, 11000) g",
                "INSERT INTO job SELECT g, g, 1, 'j' FROM generate_series(1001, 11000) g",
                "INSERT INTO line SELECT g, 1, 1 FROM generate_series(1001, 11000) g"], [JOBS])  # fmt: skip
    with firm.txn():
        firm.delete("client", "id > 1000")
    firm.catch_up()
    assert firm.effects() == {"cascaded_deletes": 20_000}


def test_rows_that_refer_to_their_own_table(make_firm: Callable[..., Firm]) -> None:
    firm = make_firm()
    firm.begin(
        [
            "CREATE TABLE task (id int PRIMARY KEY, above int REFERENCES task ON DELETE CASCADE,"
            " after int REFERENCES task ON DELETE SET NULL, name text)",
            "INSERT INTO task VALUES (1, NULL, NULL, 'a'), (2, 1, NULL, 'b'), (3, 2, 1, 'c'),"
            " (4, NULL, 3, 'd'), (5, 4, 2, 'e')",
        ],
        [("SELECT t.id AS id, u.name AS above, v.name AS after FROM task t LEFT JOIN task u ON u.id = t.above"
          " LEFT JOIN task v ON v.id = t.after", ("id",))],
    )  # fmt: skip
    with firm.txn():
        firm.delete("task", "id = 1")
    firm.catch_up()
    assert firm.effects() == {"cascaded_deletes": 2, "cascaded_nulls": 2}


def test_a_row_that_two_keys_of_one_parent_empty_is_one_effect(make_firm: Callable[..., Firm]) -> None:
    firm = make_firm()
    firm.begin(
        ["CREATE TABLE who (id int PRIMARY KEY)", "INSERT INTO who VALUES (1), (2)",
         "CREATE TABLE doc (id int PRIMARY KEY, made int REFERENCES who ON DELETE SET NULL,"
         " changed int REFERENCES who ON DELETE SET NULL, big text)",
         "INSERT INTO doc VALUES (1, 1, 1, 'x'), (2, 1, 2, 'y'), (3, 2, 2, 'z')"],
        [("SELECT d.id AS id, d.made AS made, d.changed AS changed, d.big AS big FROM doc d", ("id",))],
    )  # fmt: skip
    with firm.txn():
        firm.update("doc", "big = 'changed'", "id = 1")
        firm.delete("who", "id = 1")
    firm.catch_up()
    assert firm.effects() == {"cascaded_nulls": 2}
    with firm.txn():
        firm.delete("who", "id = 2")
        firm.update("doc", "big = 'after'", "id = 3")
    firm.catch_up()
