"""A batch whose entities are evaluated and decided part by part: the parts are one batch all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from agent.derive.deriver import Deriver, Progress
from sandbox.legacy.book import create
from tests.flow.derive.world import World
from tests.support.line import running

TABLES = [
    "CREATE TABLE v (a varchar(10), b numeric, name text, PRIMARY KEY (a, b))",
    "INSERT INTO v SELECT chr(65 + i % 5), i / 5 + 0.5, 'n' || i FROM generate_series(0, 19) i",
]
MAPPING = ("SELECT v.a AS a, v.b AS b, 10 / length(v.name) AS share, v.name AS name FROM v", ("a", "b"))
CODES = ["CREATE TABLE w (code varchar(10) PRIMARY KEY, name text)", "INSERT INTO w VALUES ('A', 'first')"]
CODE = ("SELECT w.code AS code, w.name AS name FROM w", ("code",))


@pytest.mark.parametrize("size", [1, 3, 7, 20, 512])
def test_every_key_is_in_one_part_whatever_their_size(make_world: Callable[..., World], size: int) -> None:
    world = make_world(part_size=size)
    world.begin(TABLES, [MAPPING])
    world.txn("UPDATE v SET name = name || '!'", "INSERT INTO v VALUES ('', 1, 'new'), ('Z', 1, 'new')")
    world.txn("DELETE FROM v WHERE a = 'B'")
    world.catch_up()
    assert len(world.state()) == 18


@pytest.mark.parametrize("size", [1, 3, 512])
def test_breaking_keys_stand_alone_in_every_part(make_world: Callable[..., World], size: int) -> None:
    world = make_world(part_size=size)
    world.begin(TABLES, [MAPPING])
    before = world.state()
    world.txn("UPDATE v SET name = CASE WHEN a IN ('A', 'D') AND b > 2 THEN '' ELSE 'good' END")
    world.take_in()
    while world.line.deriver.step().worked:
        pass
    world.line.check_books()
    broken = {key for key in before if key[0] in "AD" and key[1] > 2}
    assert len(broken) == 4
    state = world.state()
    assert {key for key in before if state[key] == before[key]} == broken
    codes = world.store("SELECT subject, code FROM coexist.exception WHERE state = 'open'")
    assert {c for _, c in codes} == {"breaking_value"}
    assert len(codes) == 4


@pytest.mark.parametrize("size", [1, 512])
def test_twins_in_two_parts_are_seen(make_world: Callable[..., World], size: int) -> None:
    world = make_world(part_size=size)
    world.begin(CODES, [CODE])
    world.txn("INSERT INTO w VALUES ('B', 'one'), ('B ', 'two'), ('A ', 'second'), ('C', 'other')")
    world.take_in()
    while world.line.deriver.step().worked:
        pass
    world.line.check_books()
    assert sorted(key.rstrip() for key in world.ids()) == ["A", "B", "C"]
    assert world.store("SELECT code FROM coexist.exception WHERE state = 'open'") == [("twin_key",)] * 2


@pytest.mark.parametrize("size", [1, 512])
@pytest.mark.parametrize("held", [False, True], ids=["alone", "after a row was held"])
def test_a_reference_means_the_entity_that_a_later_part_gives_the_key(
    tmp_path: Path, new_database: str, store: psycopg.Connection, size: int, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(new_database, autocommit=True) as conn:
        create(conn)
        conn.execute("INSERT INTO fin.arcust (cust_no, nm, ctry_cd) VALUES ('C1', 'Child', 'USA'), ('C2', 'Acme', 'USA')")
    with running(tmp_path, new_database, new_database.rpartition("/")[0] + "/" + store.info.dbname) as line:
        line.start()
        assert line.deriver is not None
        line.deriver.entities.part_size = size
        line.run("UPDATE fin.arcust SET cust_no = 'C9' WHERE cust_no = 'C2'")
        if held:
            _one_row_breaks(line.deriver, monkeypatch)
        line.run(
            "INSERT INTO fin.arcust (cust_no, nm, ctry_cd) VALUES ('C2', 'Another', 'USA')",
            "UPDATE fin.arcust SET prt_cust = 'C2' WHERE cust_no = 'C1'",
        )
        ids = dict(line.ask("SELECT key_text, entity_id::text FROM coexist.source_key"
                            " WHERE entity = 'customer' AND valid_to IS NULL"))  # fmt: skip
        assert ids["C2"] != ids["C9"]
        ((wanted,),) = line.ask("SELECT refs::text FROM coexist.command WHERE object = 'customer' AND entity_id = %s"
                                " ORDER BY command_id DESC LIMIT 1", ids["C1"])  # fmt: skip
        assert ids["C2"] in wanted
        assert ids["C9"] not in wanted
        assert line.wrong() == []


def _one_row_breaks(deriver: Deriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch has a row that no cast survives: it is held, and the batch begun again."""
    attempt, broken = deriver._attempt, [psycopg.errors.DataError("no date")]

    def attempted() -> Progress:
        if broken:
            raise broken.pop()
        return attempt()

    monkeypatch.setattr(deriver, "_attempt", attempted)
    monkeypatch.setattr(deriver, "_isolate", lambda: 1)
