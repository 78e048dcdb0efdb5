"""What a mapping is called, and what its key is: entities stay the ones they were, or the change is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.errors import MappingError
from tests.support.line import Line, running

pytestmark = pytest.mark.acceptance

_CUSTOMER = """\
SELECT c.cust_no AS key_cust_no, rtrim(c.cust_no) AS external_number, c.nm AS name, p.mail AS email
FROM arcust AS c LEFT JOIN party AS p ON p.id = c.party
"""
_PARTY = """\
SELECT p.id AS key_id, CAST(p.id AS text) AS external_number, p.mail AS name
FROM party AS p
"""


@pytest.fixture
def line(tmp_path: Path, new_database: str, store: psycopg.Connection) -> Iterator[Line]:
    """Two customers, derived and delivered."""
    with psycopg.connect(new_database, autocommit=True) as conn:
        conn.execute("CREATE TABLE party (id integer PRIMARY KEY, mail text)")
        conn.execute("CREATE TABLE arcust (cust_no char(12) PRIMARY KEY, nm text NOT NULL, party integer)")
        conn.execute("INSERT INTO party VALUES (1, 'one@example.com')")
        conn.execute("INSERT INTO arcust VALUES ('C1', 'One', 1), ('C2', 'Two', 2)")
    (tmp_path / "customer.sql").write_text(_CUSTOMER)
    store_dsn = new_database.rpartition("/")[0] + "/" + store.info.dbname
    with running(tmp_path, new_database, store_dsn, _settings()) as made:
        made.start()
        made.store.execute("UPDATE coexist.record SET lifecycle = 'live'")
        made.store.execute("UPDATE coexist.command SET state = 'applied', done_at = now() WHERE state = 'waiting'")
        yield made


def _settings(name: str = "finance.customer", key: str = "key_cust_no") -> dict[str, Any]:
    return {
        "use": [],
        "mappings": {name: {"entity": "customer", "source": "finance", "sql": "customer.sql", "key": [key]}},
        "ownership": {"version": "1", "rules": [{"object": "customer", "owner": "finance"}]},
        "targets": {"erp": {"objects": {"customer": {"mode": "live"}}}},
    }


def _entities(line: Line) -> list[tuple[Any, ...]]:
    return line.ask("SELECT DISTINCT entity_id FROM coexist.command ORDER BY 1")


def test_a_mapping_under_another_name_makes_the_same_entities(line: Line) -> None:
    before = _entities(line)
    assert len(before) == 2
    line.configure(_settings("finance.party"))
    line.make_deriver()
    line.drain()
    line.run("UPDATE arcust SET nm = 'New' WHERE cust_no = 'C1'", "INSERT INTO arcust VALUES ('C3', 'Three', 3)")
    assert line.ask("SELECT count(*) FROM coexist.record") == [(3,)]
    assert set(before) < set(_entities(line))
    assert line.wrong() == []
    assert line.exceptions() == ()


@pytest.mark.parametrize(
    "then", ["UPDATE arcust SET cust_no = 'C9' WHERE cust_no = 'C1'", "DELETE FROM arcust WHERE cust_no = 'C1'"]
)
def test_a_mapping_under_another_name_knows_also_what_it_cannot_make_at_once(
    then: str, line: Line, tmp_path: Path
) -> None:
    before = _entities(line)
    (tmp_path / "customer.sql").write_text(
        _CUSTOMER.replace("c.nm AS name", "CASE WHEN c.nm <> 'One' THEN c.nm END AS name")
    )
    line.configure(_settings("finance.party"))
    line.make_deriver()
    line.drain()
    assert [e.code for e in line.exceptions()] == ["invalid"]
    line.run(then, "UPDATE arcust SET nm = 'Right'")
    assert line.ask("SELECT count(*) FROM coexist.record") == [(2,)]
    assert _entities(line) == before
    kinds = line.ask("SELECT DISTINCT kind FROM coexist.command ORDER BY 1")
    assert kinds == ([("delete",), ("state",)] if then.startswith("DELETE") else [("state",)])
    assert line.exceptions() == ()
    assert line.wrong() == []


def test_another_key_for_entities_that_are_out_there_is_refused(line: Line, tmp_path: Path) -> None:
    (tmp_path / "customer.sql").write_text(_PARTY)
    line.configure(_settings(key="key_id"))
    with pytest.raises(MappingError, match="a second time") as refused:
        line.make_deriver()
    assert "keep the key columns" in refused.value.remedy
    (tmp_path / "customer.sql").write_text(_CUSTOMER)
    line.configure(_settings())
    line.make_deriver()
    line.run("UPDATE arcust SET nm = 'New' WHERE cust_no = 'C1'")
    assert len(_entities(line)) == 2
