"""Merging: large texts that were left alone, keys that wander, truncates, positions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.model.changes import CaptureBatch, RowChange, TransactionSlice
from agent.model.ids import CommitPos
from tests.flow.derive.world import World, large

TABLES = [
    "CREATE TABLE t (id int PRIMARY KEY, name text, big text)",
    "ALTER TABLE t ALTER big SET STORAGE EXTERNAL",
    f"INSERT INTO t VALUES (1, 'one', '{large('a')}'), (2, 'two', '{large('b')}')",
]
MAPPING = ("SELECT t.id AS id, t.name AS name, t.big AS big FROM t", ("id",))


@pytest.mark.parametrize("batch_rows", [1, 8192])
def test_a_large_text_left_alone_follows_its_row_through_a_chain_of_keys(make_world, batch_rows: int) -> None:
    world: World = make_world(batch_rows=batch_rows)
    world.begin(TABLES, [MAPPING])
    world.txn("UPDATE t SET name = 'uno' WHERE id = 1", "UPDATE t SET id = 5 WHERE id = 1")
    world.txn("UPDATE t SET id = 6 WHERE id = 5")
    world.txn("UPDATE t SET name = 'seis' WHERE id = 6")
    world.catch_up()
    assert world.state() == {6: ("seis", large("a")), 2: ("two", large("b"))}


def test_a_large_text_that_is_new_in_the_batch_follows_too(world: World) -> None:
    world.begin(TABLES, [MAPPING])
    world.txn(f"INSERT INTO t VALUES (3, 'three', '{large('c')}')", "UPDATE t SET id = 4 WHERE id = 3")
    world.txn(f"UPDATE t SET big = '{large('d')}' WHERE id = 1", "UPDATE t SET id = 3, name = 'x' WHERE id = 1")
    world.txn("UPDATE t SET name = 'y' WHERE id = 3", "UPDATE t SET name = 'z' WHERE id = 4")
    world.catch_up()
    assert world.state() == {2: ("two", large("b")), 3: ("y", large("d")), 4: ("z", large("c"))}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE t SET name = 'x'", "UPDATE t SET name = 'y'"], ("y", "a", "b")),
        ([f"UPDATE t SET one = '{large('c')}'", "UPDATE t SET name = 'y'"], ("y", "c", "b")),
        ([f"UPDATE t SET one = '{large('c')}', two = '{large('d')}'", "UPDATE t SET name = 'y'"], ("y", "c", "d")),
        ([f"UPDATE t SET one = '{large('c')}'", f"UPDATE t SET two = '{large('d')}'"], ("one", "c", "d")),
        (["DELETE FROM t", f"INSERT INTO t VALUES (1, 'n', '{large('c')}', '{large('d')}')", "UPDATE t SET name = 'y'"],
         ("y", "c", "d")),
    ],
    ids=["never carried", "one carried", "both carried", "one after the other", "deleted and back"],
)  # fmt: skip
def test_large_texts_that_a_later_change_of_the_batch_left_alone_are_those_of_the_earlier(
    statements: list[str], expected: tuple[str, str, str], world: World
) -> None:
    world.begin(
        [
            "CREATE TABLE t (id int PRIMARY KEY, name text, one text, two text)",
            "ALTER TABLE t ALTER one SET STORAGE EXTERNAL, ALTER two SET STORAGE EXTERNAL",
            f"INSERT INTO t VALUES (1, 'one', '{large('a')}', '{large('b')}')",
        ],
        [("SELECT t.id AS id, t.name AS name, t.one AS one, t.two AS two FROM t", ("id",))],
    )
    for statement in statements:
        world.txn(statement)
    world.catch_up()
    name, one, two = expected
    assert world.state() == {1: (name, large(one), large(two))}


def test_the_next_bearer_of_a_key_has_its_own_large_text(world: World) -> None:
    world.begin(TABLES, [MAPPING])
    world.txn(
        "UPDATE t SET id = 9 WHERE id = 1",
        "UPDATE t SET id = 1 WHERE id = 2",
        "UPDATE t SET name = 'was two' WHERE id = 1",
        "UPDATE t SET name = 'was one' WHERE id = 9",
    )
    world.catch_up()
    assert world.state() == {1: ("was two", large("b")), 9: ("was one", large("a"))}


def test_rows_that_swap_keys_keep_what_is_theirs(world: World) -> None:
    world.begin(TABLES, [MAPPING])
    before = world.ids()
    world.txn("UPDATE t SET id = 99 WHERE id = 1", "UPDATE t SET id = 1 WHERE id = 2", "UPDATE t SET id = 2 WHERE id = 99")
    world.catch_up()
    assert world.state() == {1: ("two", large("b")), 2: ("one", large("a"))}
    assert world.ids() == {1: before[2], 2: before[1]}


def test_a_text_in_a_key_may_itself_be_kept_out_of_line(world: World) -> None:
    key = "k" * 1200
    world.begin(
        [
            "CREATE TABLE t (k text PRIMARY KEY, note text, n int)",
            "ALTER TABLE t ALTER k SET STORAGE EXTERNAL", "ALTER TABLE t ALTER note SET STORAGE PLAIN",
            f"INSERT INTO t VALUES ('{key}', repeat('n', 1500), 1)",
        ],
        [("SELECT t.k AS k, t.note AS note, t.n AS n FROM t", ("k",))],
    )  # fmt: skip
    assert world.sql.execute("SELECT pg_column_toast_chunk_id(k) IS NOT NULL FROM t").fetchone() == (True,)
    world.txn("UPDATE t SET n = 2")
    world.catch_up()
    world.txn("UPDATE t SET n = 3, note = 'small'")
    world.catch_up()
    assert world.state() == {key: ("small", 3)}
    world.txn("DELETE FROM t")
    world.catch_up()
    assert world.state() == {}


def test_a_truncate_takes_what_was_there_and_leaves_what_came_after_it(world: World) -> None:
    world.begin(TABLES, [MAPPING])
    world.txn(
        "INSERT INTO t VALUES (3, 'before', NULL)", "TRUNCATE t", "INSERT INTO t VALUES (1, 'after', NULL), (4, 'new', NULL)"
    )
    world.catch_up()
    assert world.state() == {1: ("after", None), 4: ("new", None)}
    assert world.items("row_effects")["truncates"] == 1


def test_what_changed_its_key_before_a_truncate_is_gone_under_both_keys(world: World) -> None:
    world.begin(TABLES, [MAPPING])
    world.txn("UPDATE t SET id = 7 WHERE id = 1")
    world.txn("TRUNCATE t")
    world.catch_up()
    assert world.state() == {}
    world.txn("INSERT INTO t VALUES (7, 'again', NULL)")
    world.catch_up()
    assert world.state() == {7: ("again", None)}


def test_a_lost_slot_is_mended_by_another_snapshot(world: World) -> None:
    """What was changed, deleted and inserted while nobody listened is as the source has it; ids stay."""
    world.begin(TABLES, [MAPPING])
    before = world.ids()
    world.txn("INSERT INTO t VALUES (3, 'three', NULL)")
    world.catch_up()
    with world.sql.transaction():
        world.sql.execute("DELETE FROM t WHERE id = 1")
        world.sql.execute("UPDATE t SET name = 'zwei' WHERE id = 2")
        world.sql.execute("INSERT INTO t VALUES (4, 'v', NULL)")
    world.line.snapshot_again()
    world.line.derive()
    assert {k: v[0] for k, v in world.state().items()} == {2: "zwei", 3: "three", 4: "v"}
    assert world.items("row_effects")["swept"] == 1
    assert world.ids()[2] == before[2]
    world.committed = world.line.intake.state.last_txn
    world.txn("INSERT INTO t VALUES (1, 'back', NULL)")
    world.catch_up()
    assert world.ids()[1] == before[1]


def test_a_row_read_at_an_older_position_never_replaces_a_newer_one(world: World) -> None:
    """A snapshot whose point lies before what the stream has brought: nothing newer is lost, and the row is counted."""
    world.begin(TABLES, [MAPPING])
    world.txn("UPDATE t SET name = 'newer' WHERE id = 1", "DELETE FROM t WHERE id = 2")
    world.catch_up()
    ref = world.line.relations[0].ref
    old_rows = [RowChange(ref, "r", None, ("1", "old", "old")), RowChange(ref, "r", None, ("2", "old", "old"))]
    piece = TransactionSlice(CommitPos(1), 0, datetime.now(UTC), old_rows, snapshot=True)
    before = world.items("rows").get("older", 0)
    world.line.intake.begin_snapshot()
    world.line.intake.append(CaptureBatch((), (piece,), 2, CommitPos(1)))
    world.line.derive()
    assert {k: v[0] for k, v in world.state().items()} == {1: "newer"}
    assert world.items("rows")["older"] == before + 2
    world.line.check_books()


def test_every_row_change_is_counted_as_what_became_of_it(world: World) -> None:
    world.begin(TABLES, [MAPPING])
    baseline = world.items("rows")
    assert baseline == {"merged": 2}
    world.txn("UPDATE t SET name = 'a' WHERE id = 1", "UPDATE t SET name = 'b' WHERE id = 1")
    world.txn("INSERT INTO t VALUES (3, '', '')")
    world.txn("UPDATE t SET id = 8 WHERE id = 3", "DELETE FROM t WHERE id = 8")
    world.catch_up()
    rows = world.items("rows")
    # Five changes of three keys: 1 twice, 3 and 8 (come and gone).
    assert sum(rows.values()) == 2 + 5
    assert rows["folded"] >= 1
    assert world.items("entities")["affected"] == sum(n for k, n in world.items("entities").items() if k != "affected")
