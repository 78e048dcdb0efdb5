"""Tables that change their shape in mid-stream, and views that yield an entity twice."""

from __future__ import annotations

from tests.flow.derive.world import World

TABLES = [
    "CREATE TABLE t (id int PRIMARY KEY, a text)",
    "CREATE TABLE x (id int PRIMARY KEY, t int, v text)",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
    "INSERT INTO x VALUES (1, 1, 'x1'), (2, 2, 'x2')",
]
JOINED = ("SELECT t.id AS id, t.a AS a, x.v AS v FROM t LEFT JOIN x ON x.t = t.id", ("id",))


def exceptions(world: World) -> list[tuple[str, str]]:
    """Open ones."""
    return [(s, c) for s, c in world.store("SELECT subject, code FROM coexist.exception WHERE state = 'open' ORDER BY 1")]


def test_a_column_added_in_mid_stream_is_taken_along(world: World) -> None:
    world.begin(TABLES, [JOINED])
    world.txn("UPDATE t SET a = 'before' WHERE id = 1")
    world.sql.execute("ALTER TABLE t ADD extra text DEFAULT 'd'")
    world.txn("INSERT INTO t VALUES (3, 'three', 'e')", "UPDATE t SET a = 'after' WHERE id = 1")
    world.catch_up()
    assert world.state()[3] == ("three", None)
    assert world.store('SELECT extra FROM "mirror_flow"."public.t" ORDER BY id') == [("d",), (None,), ("e",)]


def test_a_column_added_inside_a_transaction_is_taken_along(world: World) -> None:
    world.begin(TABLES, [JOINED])
    world.txn(
        "UPDATE t SET a = 'before' WHERE id = 1", "ALTER TABLE t ADD extra int",
        "UPDATE t SET extra = 5, a = 'both' WHERE id = 1",
    )  # fmt: skip
    world.txn("INSERT INTO t VALUES (3, 'three', 1)")
    world.catch_up()
    assert world.state()[1] == ("both", "x1")
    assert world.store('SELECT extra FROM "mirror_flow"."public.t" ORDER BY id') == [(5,), (None,), (1,)]


def test_a_dropped_column_leaves_the_rest_as_it_is(world: World) -> None:
    world.begin([*TABLES, "ALTER TABLE t ADD extra int"], [JOINED])
    world.sql.execute("ALTER TABLE t DROP extra")
    world.txn("INSERT INTO t VALUES (3, 'three')", "DELETE FROM t WHERE id = 1")
    world.catch_up()
    assert set(world.state()) == {2, 3}


def test_an_entity_that_its_view_yields_twice_is_an_exception_until_it_is_one_again(world: World) -> None:
    world.begin(TABLES, [JOINED])
    world.txn("INSERT INTO x VALUES (3, 1, 'second')", "UPDATE t SET a = 'zwei' WHERE id = 2")
    world.catch_up()
    assert exceptions(world) == [("flow.m0:1", "fan_out")]
    assert world.state() == {1: ("one", "x1"), 2: ("zwei", "x2")}
    assert world.items("entities")["excepted"] == 1
    world.txn("DELETE FROM x WHERE id = 3")
    world.catch_up()
    assert exceptions(world) == []
    assert world.state() == {1: ("one", "x1"), 2: ("zwei", "x2")}


def test_an_entity_that_never_was_and_is_gone_again_leaves_no_exception(world: World) -> None:
    world.begin(TABLES, [JOINED])
    world.txn("INSERT INTO t VALUES (7, 'seven')", "INSERT INTO x VALUES (7, 7, 'a'), (8, 7, 'b')")
    world.catch_up()
    assert exceptions(world) == [("flow.m0:7", "fan_out")]
    world.txn("DELETE FROM t WHERE id = 7")
    world.catch_up()
    assert exceptions(world) == []


def test_one_leaf_column_may_stand_for_two_columns_of_the_key(world: World) -> None:
    world.begin(
        [
            "CREATE TABLE t (a int, b int, PRIMARY KEY (a, b))", "CREATE TABLE x (k int PRIMARY KEY, v int)",
            "INSERT INTO t VALUES (1, 1), (1, 2)",
        ],
        [("SELECT t.a AS a, t.b AS b, x.v AS v FROM t LEFT JOIN x ON x.k = t.a AND x.k = t.b", ("a", "b"))],
    )
    world.txn("INSERT INTO x VALUES (1, 10)")
    world.catch_up()
    assert world.state() == {(1, 1): 10, (1, 2): None}


def test_an_exception_about_what_was_deleted_unseen_is_closed_by_a_snapshot(world: World) -> None:
    world.begin(TABLES, [JOINED])
    world.txn("INSERT INTO t VALUES (7, 'seven')", "INSERT INTO x VALUES (7, 7, 'a'), (8, 7, 'b'), (9, 1, 'c')")
    world.catch_up()
    assert len(exceptions(world)) == 2
    world.sql.execute("DELETE FROM t WHERE id = 7")
    world.line.snapshot_again()
    world.line.derive()
    assert exceptions(world) == [("flow.m0:1", "fan_out")]
