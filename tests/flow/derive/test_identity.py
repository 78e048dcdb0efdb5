"""Which entity a row is: ids through key changes, deletions and second bearers of a key."""

from __future__ import annotations

import pytest

from tests.flow.derive.world import World

TABLES = ["CREATE TABLE t (id int PRIMARY KEY, name text)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')"]
MAPPING = ("SELECT t.id AS id, t.name AS name FROM t", ("id",))


@pytest.fixture(params=[1, 8192], ids=["row by row", "in one batch"])
def world(make_world, request: pytest.FixtureRequest) -> World:  # type: ignore[no-untyped-def]
    """The same must come out however the batches are cut."""
    made: World = make_world(batch_rows=request.param)
    made.begin(TABLES, [MAPPING])
    return made


def test_an_entity_keeps_its_id_when_its_key_changes(world: World) -> None:
    before = world.ids()
    world.txn("UPDATE t SET id = 5 WHERE id = 1")
    world.txn("UPDATE t SET id = 6 WHERE id = 5")
    world.catch_up()
    assert world.ids() == {6: before[1], 2: before[2]}


def test_a_new_row_under_a_key_that_was_left_is_another_entity(world: World) -> None:
    before = world.ids()
    world.txn("UPDATE t SET id = 5 WHERE id = 1")
    world.txn("INSERT INTO t VALUES (1, 'other')")
    world.catch_up()
    ids = world.ids()
    assert ids[5] == before[1]
    assert ids[1] not in before.values()
    world.txn("UPDATE t SET name = 'changed' WHERE id = 1")
    world.catch_up()
    assert world.ids() == ids


def test_a_second_bearer_that_moves_on_takes_nothing_along_of_the_first(world: World) -> None:
    before = world.ids()
    world.txn("UPDATE t SET id = 5 WHERE id = 1", "INSERT INTO t VALUES (1, 'other')", "UPDATE t SET id = 7 WHERE id = 1")
    world.catch_up()
    ids = world.ids()
    assert set(ids) == {2, 5, 7}
    assert ids[5] == before[1]
    assert len(set(ids.values())) == 3


def test_a_row_that_is_deleted_and_comes_again_is_the_same_entity(world: World) -> None:
    before = world.ids()
    world.txn("DELETE FROM t WHERE id = 1")
    world.catch_up()
    assert 1 not in world.ids()
    world.txn("INSERT INTO t VALUES (1, 'again')")
    world.catch_up()
    assert world.ids() == before


def test_who_takes_the_key_of_a_deleted_row_stays_who_it_was(world: World) -> None:
    before = world.ids()
    world.txn("DELETE FROM t WHERE id = 2", "UPDATE t SET id = 2 WHERE id = 1")
    world.catch_up()
    assert world.ids() == {2: before[1]}
    gone = world.store("SELECT event_type FROM coexist.journal WHERE entity_id = %s ORDER BY event_id", before[2])
    assert gone[-1] == ("thing0.deleted",)


def test_a_deriver_that_was_idle_notices_what_another_one_did_to_keys(world: World) -> None:
    """One step of another is enough, also when this one has asked for work in vain before."""
    first = world.line.deriver
    assert not first.step().worked
    world.txn("UPDATE t SET id = 5 WHERE id = 1", "INSERT INTO t VALUES (1, 'other')")
    world.take_in()
    world.line.new_deriver()
    assert world.line.step().worked
    ids = world.ids()
    world.txn("UPDATE t SET name = 'x' WHERE id = 1")
    world.take_in()
    assert first.step().worked
    assert world.ids() == ids
    assert {key: first._keys.resolve("thing0", [key]) for key in (1, 5)} == {1: ids[1], 5: ids[5]}
