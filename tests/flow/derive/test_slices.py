"""Too much for one transaction: huge source transactions, code tables under everything, derivers that end in between."""

from __future__ import annotations

from tests.flow.derive.world import World
from tests.support.line_oracle import Killed

ORDERS = [
    "CREATE TABLE code (c text PRIMARY KEY, label text)",
    "CREATE TABLE o (id int PRIMARY KEY, c text, n int)",
    "INSERT INTO code VALUES ('a', 'Alpha'), ('b', 'Beta')",
    "INSERT INTO o SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END, i FROM generate_series(1, 40) i",
]
LABELLED = ("SELECT o.id AS id, o.n AS n, code.label AS label FROM o LEFT JOIN code ON code.c = o.c", ("id",))


def waiting(world: World) -> int:
    """Entities that are put off."""
    return int(world.store("SELECT count(*) FROM coexist.dirty")[0][0])


def test_a_huge_transaction_is_derived_when_it_is_complete_and_not_before(make_world) -> None:
    world: World = make_world(max_slice_rows=16)
    world.begin(ORDERS, [LABELLED])
    world.txn("INSERT INTO o SELECT i, 'a', i FROM generate_series(101, 300) i")
    world.line.take_in(world.committed, batches=4)
    assert world.line.intake.state.open_rows > 0
    assert not world.line.deriver.step().worked
    assert len(world.state()) == 40
    # The reader ends in the middle of it, and the next one is told what was acknowledged only, or goes on at the row.
    world.line.restart_intake(behind=True)
    world.line.take_in(world.committed, batches=3)
    world.line.restart_intake(behind=False)
    world.catch_up()
    assert len(world.state()) == 240
    assert world.items("rows")["merged"] == 42 + 200


def test_a_code_under_many_entities_is_done_in_slices_that_outlive_the_deriver(make_world) -> None:
    world: World = make_world(slice_entities=6, batch_rows=1)
    world.begin(ORDERS, [LABELLED], own_tables=("public.o",))
    world.txn("UPDATE code SET label = 'A!' WHERE c = 'a'")
    world.txn("INSERT INTO o VALUES (41, 'a', 41)")
    world.take_in()
    world.line.step()
    assert waiting(world) == 20
    assert world.store("SELECT DISTINCT own FROM coexist.dirty") == [(False,)]
    world.line.step()
    assert waiting(world) == 14
    assert world.line.mortal_step(6, by_server=False)
    world.line.new_deriver()
    # Nothing more of the source is merged before all slices are done.
    assert 41 not in world.state()
    world.catch_up()
    assert waiting(world) == 0
    assert world.state()[41] == (41, "A!")
    events = world.store(
        "SELECT count(*) FROM coexist.journal WHERE changes->'label' IS NOT NULL AND changes->'label'->>0 = 'Alpha'"
        " AND event_type <> 'thing0.created' AND cause = 'live'"
    )
    assert events == [(20,)]


def test_a_snapshot_in_slices_outlives_the_deriver(make_world) -> None:
    world: World = make_world(slice_entities=7)
    world.begin(ORDERS, [LABELLED])
    world.line.snapshot_again()
    world.line.step()
    assert waiting(world) == 40
    for n in (3, 5, 9):
        assert world.line.mortal_step(n, by_server=n == 5)
        world.line.new_deriver()
        world.line.step()
    world.line.derive()
    assert waiting(world) == 0
    assert world.line.deriver.step().worked is False


def test_a_deriver_that_dies_at_any_statement_leaves_nothing_half_done(world: World) -> None:
    world.begin(ORDERS, [LABELLED])
    died = 0
    for n in range(1, 60):
        key = n % 40 + 1 + (n // 40) * 1000
        world.txn(
            f"UPDATE o SET n = n + 100, id = id + 1000 WHERE id = {key}", f"INSERT INTO o VALUES ({5000 + n}, 'a', 0)"
        )
        world.take_in()
        died += world.line.mortal_step(n, by_server=n % 7 == 0)
        try:
            world.line.new_deriver(mortal=n if n % 5 == 0 else 0)
        except Killed:
            world.line.new_deriver()
        world.line.retire()
        world.line.derive()
    assert died > 20
    world.line.check_source(world.sql)
    world.line.check_books()
