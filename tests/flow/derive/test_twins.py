"""Keys that differ only in trailing blanks: two rows, one meaning, and a person must say which."""

from __future__ import annotations

import pytest

from tests.flow.derive.world import World

TABLES = ["CREATE TABLE v (code varchar(10) PRIMARY KEY, name text)", "INSERT INTO v VALUES ('A', 'first')"]
MAPPING = ("SELECT v.code AS code, v.name AS name FROM v", ("code",))


@pytest.mark.parametrize("rows", [["('A ', 'second')"], ["('B', 'one')", "('B ', 'two')"]], ids=["a later one", "both at once"])
def test_the_second_of_two_keys_that_differ_in_blanks_is_an_exception_and_the_rest_goes_on(
    make_world, rows: list[str]  # type: ignore[no-untyped-def]
) -> None:
    world: World = make_world()
    world.begin(TABLES, [MAPPING])
    world.txn(f"INSERT INTO v VALUES {', '.join(rows)}", "INSERT INTO v VALUES ('C', 'other')")
    world.take_in()
    while world.line.deriver.step().worked:
        pass
    world.line.check_books()
    assert "C" in world.ids()
    assert len(set(world.ids().values())) == len(world.ids())
    codes = world.store("SELECT code FROM coexist.exception WHERE state = 'open'")
    assert codes == [("twin_key",)]
