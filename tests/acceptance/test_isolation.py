"""One breaking row in a batch of 8,192, at each place where a set can break: the other 8,191 arrive, and the one is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.model.changes import CaptureBatch, Column, Relation, RowChange, TransactionSlice, Value
from agent.model.ids import CommitPos
from agent.operations.exceptions import ExceptionRow, show
from agent.store.embedded import EmbeddedServer
from agent.store.migrate import migrate
from tests.support.line import Line

pytestmark = pytest.mark.acceptance

BATCH = 8192
BROKEN = 5000  # number of the customer that breaks

_SCHEMA = """
CREATE TABLE arcust (cust_no char(12) PRIMARY KEY, nm text, cr_lim numeric, since date, fac integer);
"""
_CUSTOMER = """\
SELECT c.cust_no AS key_cust_no,
       rtrim(c.cust_no) AS external_number,
       c.nm AS name,
       CAST(100 / c.fac AS text) AS note,
       CAST(c.since AS text) AS city
FROM arcust AS c
"""
_numbers = itertools.count(1)
NewLine = Callable[..., Line]


@pytest.fixture
def new_line(server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewLine]:
    """A line over a source of one table, with a mapping of our own; `encoding` is the source database's."""
    made: list[Line] = []
    names: list[str] = []

    def make(encoding: str = "UTF8", sql: str = _CUSTOMER) -> Line:
        number = next(_numbers)
        source, store = f"iso_source_{number}", f"iso_store_{number}"
        names.extend((source, store))
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute(
                f"CREATE DATABASE {source} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'".encode()
            )
            admin.execute(f"CREATE DATABASE {store}".encode())
        source_dsn, store_dsn = server.dsn_of(source), server.dsn_of(store)
        with psycopg.connect(source_dsn, autocommit=True) as conn:
            conn.execute(_SCHEMA)
        with psycopg.connect(store_dsn, autocommit=True) as conn:
            migrate(conn)
        for name, value in (("LINE_SOURCE", source_dsn), ("LINE_STORE", store_dsn), ("LINE_SECRET", "x")):
            monkeypatch.setenv(name, value)
        (tmp_path / "customer.sql").write_text(sql)
        settings = {
            "use": [], "sources": {"finance": {"slot": f"iso_{number}"}},
            "mappings": {"finance.customer": {
                "entity": "customer", "source": "finance", "sql": "customer.sql", "key": ["key_cust_no"],
            }},
            "ownership": {"version": "1", "rules": [{"object": "customer", "owner": "finance"}]},
            "agent": {"batch_rows": BATCH, "slice_entities": BATCH},
            "targets": {"erp": {"objects": {"customer": {"mode": "live"}}, "brake": {"records": 100_000, "share": 1.0}}},
        }  # fmt: skip
        line = Line(tmp_path, source_dsn, store_dsn, settings)
        made.append(line)
        return line

    yield make
    for line in made:
        line.close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND slot_name LIKE 'iso%'"
        )
        admin.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active AND slot_name LIKE 'iso%'"
        )
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# ---------------------------------------------------------------------------------------------------- what must hold


def arrived(line: Line) -> int:
    """Customers that have a command to be sent."""
    return int(line.ask(
        "SELECT count(DISTINCT entity_id) FROM coexist.command WHERE target = 'erp' AND state = 'waiting'"
    )[0][0])  # fmt: skip


def wanted(line: Line, number: int) -> Any:
    """The wanted state of a customer's newest command."""
    rows = line.ask(
        "SELECT wanted FROM coexist.command WHERE wanted->>'external_number' = %s ORDER BY command_id DESC LIMIT 1",
        f"C{number:05}",
    )
    return rows[0][0] if rows else None


def the_only_exception(line: Line) -> ExceptionRow:
    """The one that is open."""
    (found,) = line.exceptions()
    return found


def nothing_left(line: Line) -> None:
    """All of them have arrived, nothing is open, the books balance."""
    assert line.exceptions() == ()
    assert arrived(line) == BATCH
    assert line.wrong() == []
    closed = line.ask("SELECT closed_by FROM coexist.exception WHERE state = 'closed'")
    assert closed == [("agent",)]


# ---------------------------------------------------------------------------------------------------- fed batches

COLUMNS = (
    Column("cust_no", "character(12)", True, True), Column("nm", "text", False), Column("cr_lim", "numeric", False),
    Column("since", "date", False), Column("fac", "integer", False),
)  # fmt: skip
ARCUST = Relation(4711, "public", "arcust", COLUMNS)


class Feed:
    """Batches as another capture would hand them over: what PostgreSQL itself would never let in comes this way."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._position = 1000
        line.intake.begin_snapshot()
        self._append((), snapshot=True)
        line.make_deriver([ARCUST])
        line.drain()

    def send(self, changes: list[RowChange]) -> None:
        """One source transaction, derived to the end."""
        self._append(changes)
        assert self._line.wrong() == []
        self._line.drain()
        assert self._line.wrong() == []

    def snapshot_again(self, rows: list[RowChange]) -> None:
        """All of the table anew, derived to the end."""
        self._line.intake.begin_snapshot()
        self._append(rows, snapshot=True)
        self._line.make_deriver([ARCUST])
        self._line.drain()
        assert self._line.wrong() == []

    def _append(self, changes: Any, *, snapshot: bool = False) -> None:
        self._position += 10
        piece = TransactionSlice(
            CommitPos(self._position), self._position, datetime.now(UTC), changes, snapshot=snapshot
        )
        self._line.intake.append(CaptureBatch((ARCUST,), (piece,), len(changes), CommitPos(self._position)))


def row(number: int, **values: Value) -> tuple[Value, ...]:
    """A customer as the source prints it."""
    usual: dict[str, Value] = {
        "cust_no": f"C{number:05}".ljust(12), "nm": f"Customer {number}", "cr_lim": "100.00", "since": "2024-01-31", "fac": "4",
    }  # fmt: skip
    return tuple((usual | values).values())


def full_batch(**broken: Value) -> list[RowChange]:
    """8,192 inserts, one of them broken."""
    rows = [row(n, **(broken if n == BROKEN else {})) for n in range(BATCH)]
    return [RowChange(ARCUST.ref, "c", None, values) for values in rows]


@pytest.mark.parametrize("text", ["one\x00two", "caf\udce9"], ids=["NUL", "invalid UTF-8"])
def test_a_text_that_copy_refuses_is_held_and_the_rest_arrives(text: str, new_line: NewLine) -> None:
    line = new_line()
    feed = Feed(line)
    feed.send(full_batch(nm=text))
    assert arrived(line) == BATCH - 1
    found = the_only_exception(line)
    assert (found.stage, found.code) == ("copy", "unreadable_value")
    assert "arcust" in found.message
    assert "C05000" in found.subject
    assert found.remedy.startswith("correct the row in the source")
    feed.send([RowChange(ARCUST.ref, "u", None, row(BROKEN, nm="Zoë"))])
    assert wanted(line, BROKEN)["name"] == "Zoë"
    nothing_left(line)


@pytest.mark.parametrize(
    "broken", [{"since": "0000-00-00"}, {"fac": "2147483648"}, {"cr_lim": "n/a"}], ids=lambda b: next(iter(b))
)
def test_a_value_that_no_cast_survives_is_held_and_the_rest_arrives(
    broken: dict[str, Value], new_line: NewLine
) -> None:
    line = new_line()
    feed = Feed(line)
    feed.send(full_batch(**broken))
    assert arrived(line) == BATCH - 1
    found = the_only_exception(line)
    assert (found.stage, found.code) == ("merge", "unreadable_value")
    assert "public.arcust" in found.message
    assert "C05000" in found.message
    assert str(next(iter(broken.values()))) in found.message
    raw = line.ask("SELECT stage, op::text, convert_from(raw, 'UTF8') FROM coexist.held_row")
    assert raw[0][:2] == ("merge", "c")
    assert str(next(iter(broken.values()))) in raw[0][2]
    feed.send([RowChange(ARCUST.ref, "u", None, row(BROKEN))])
    assert wanted(line, BROKEN)["city"] == "2024-01-31"
    nothing_left(line)


def test_a_row_that_breaks_is_held_as_it_was_before_and_deleting_it_closes_its_exception(
    new_line: NewLine,
) -> None:
    line = new_line()
    feed = Feed(line)
    feed.send([RowChange(ARCUST.ref, "c", None, row(1)), RowChange(ARCUST.ref, "c", None, row(2))])
    feed.send([
        RowChange(ARCUST.ref, "u", None, row(1, nm="before")), RowChange(ARCUST.ref, "u", None, row(1, since="0000-00-00")),
        RowChange(ARCUST.ref, "u", None, row(2, nm="after")),
    ])  # fmt: skip
    assert (wanted(line, 1)["name"], wanted(line, 2)["name"]) == ("before", "after")
    assert the_only_exception(line).stage == "merge"
    key = tuple(v if c.key else None for v, c in zip(row(1), COLUMNS, strict=True))
    feed.send([RowChange(ARCUST.ref, "d", key, None)])
    assert line.exceptions() == ()
    assert line.ask("SELECT kind FROM coexist.command ORDER BY command_id DESC LIMIT 1") == [("delete",)]


@pytest.mark.parametrize(
    "broken", [{"nm": "one\x00two"}, {"since": "0000-00-00"}], ids=["held at COPY", "held at merge"]
)
def test_another_snapshot_deletes_what_is_gone_but_not_what_it_could_not_read(
    broken: dict[str, Value], new_line: NewLine
) -> None:
    line = new_line()
    feed = Feed(line)
    feed.send([RowChange(ARCUST.ref, "c", None, row(n)) for n in (1, 2, 3)])
    feed.snapshot_again([RowChange(ARCUST.ref, "r", None, row(1)), RowChange(ARCUST.ref, "r", None, row(2, **broken))])
    deleted = line.ask(
        "SELECT key_cust_no::text FROM state_finance.customer s JOIN coexist.command c ON c.entity_id = s._id"
        " WHERE c.kind = 'delete'"
    )
    assert deleted == [("C00003",)]
    feed.send([RowChange(ARCUST.ref, "u", None, row(2, nm="Legible"))])
    assert wanted(line, 2)["name"] == "Legible"
    assert line.exceptions() == ()


def test_a_key_change_in_a_row_that_breaks_moves_nothing(new_line: NewLine) -> None:
    line = new_line()
    feed = Feed(line)
    feed.send([RowChange(ARCUST.ref, "c", None, row(1)), RowChange(ARCUST.ref, "c", None, row(2))])
    old = tuple(v if c.key else None for v, c in zip(row(1), COLUMNS, strict=True))
    entity = line.ask("SELECT _id FROM state_finance.customer WHERE key_cust_no = 'C00001'")
    feed.send([RowChange(ARCUST.ref, "u", old, row(3, since="0000-00-00"))])
    assert line.ask("SELECT _id FROM state_finance.customer WHERE key_cust_no = 'C00001'") == entity
    # The source goes on with the new key, and its next change brings both keys right.
    feed.send([RowChange(ARCUST.ref, "u", None, row(3))])
    assert wanted(line, 3)["external_number"] == "C00003"
    assert line.exceptions() == ()


@pytest.mark.parametrize(
    ("value", "key"), [("Ünder", "Ünder"), ("a/b", "a\\/b"), ("back\\slash", "back\\\\slash")]
)
def test_the_exception_of_any_key_closes_itself(value: str, key: str, new_line: NewLine) -> None:
    line = new_line()
    feed = Feed(line)
    padded = value.ljust(12)
    for broken in ({"nm": "one\x00two"}, {"since": "0000-00-00"}, {"fac": "0"}):
        feed.send([RowChange(ARCUST.ref, "c", None, row(1, cust_no=padded, **broken))])
        assert the_only_exception(line).subject.endswith(f":{key}")
        feed.send([RowChange(ARCUST.ref, "u", None, row(1, cust_no=padded))])
        assert line.exceptions() == ()
        feed.send([RowChange(ARCUST.ref, "d", (padded, None, None, None, None), None)])


# ---------------------------------------------------------------------------------------------------- the real capture


def _insert(line: Line, broken: str) -> None:
    line.run(
        "INSERT INTO arcust SELECT 'C' || lpad(n::text, 5, '0'), 'Customer ' || n, 100, '2024-01-31', 4"
        f" FROM generate_series(0, {BATCH - 1}) n",
        f"UPDATE arcust SET {broken} WHERE cust_no = 'C0{BROKEN}'",
    )


def test_bytes_that_are_no_text_in_the_store_are_held_and_the_rest_arrives(new_line: NewLine) -> None:
    """A source without an encoding lets in any byte."""
    line = new_line("SQL_ASCII")
    line.start()
    line.run(
        "INSERT INTO arcust SELECT 'C' || lpad(n::text, 5, '0'), CASE n WHEN 5000 THEN convert_from('\\x636166e9', 'SQL_ASCII')"
        f" ELSE 'Customer ' || n END, 100, '2024-01-31', 4 FROM generate_series(0, {BATCH - 1}) n"
    )
    assert line.wrong() == []
    assert arrived(line) == BATCH - 1
    found = the_only_exception(line)
    assert (found.stage, found.code) == ("copy", "unreadable_value")
    assert found.subject == "row:finance:public.arcust:C05000"
    assert line.ask("SELECT convert_from(raw, 'UTF8') FROM coexist.held_row")[0][0].count("caf\\\\xe9") == 1
    line.run("UPDATE arcust SET nm = 'cafe' WHERE cust_no = 'C05000'")
    assert wanted(line, BROKEN)["name"] == "cafe"
    nothing_left(line)


def test_the_same_bytes_in_the_snapshot_hold_nothing_else_up(new_line: NewLine) -> None:
    line = new_line("SQL_ASCII")
    line.source.execute(
        "INSERT INTO arcust SELECT 'C' || lpad(n::text, 5, '0'), CASE n WHEN 5000 THEN convert_from('\\x636166e9', 'SQL_ASCII')"
        " ELSE 'Customer ' || n END, 100, '2024-01-31', 4 FROM generate_series(0, 8191) n"
    )
    line.start()
    assert line.wrong() == []
    assert arrived(line) == BATCH - 1
    assert the_only_exception(line).stage == "copy"
    line.run("UPDATE arcust SET nm = 'cafe' WHERE cust_no = 'C05000'")
    nothing_left(line)


@pytest.mark.parametrize(
    ("broken", "stage", "said"),
    [
        ("fac = 0", "evaluate", "division by zero"),
        ("nm = NULL", "validate", "name"),
        ("nm = repeat('x', 10000)", "validate", "name"),
    ],
    ids=["division by zero", "no name", "too long a name"],
)  # fmt: skip
def test_an_entity_that_cannot_be_made_is_parked_and_the_rest_arrives(
    broken: str, stage: str, said: str, new_line: NewLine
) -> None:
    line = new_line()
    line.start()
    _insert(line, broken)
    assert line.wrong() == []
    assert arrived(line) == BATCH - 1
    found = the_only_exception(line)
    assert found.stage == stage
    assert said in found.message
    assert found.subject == "finance.customer:C05000"
    assert "correct the legacy row or its mapping" in found.remedy
    assert show(line.store, found.exception_id).diagnostics["mapping"] == "finance.customer"
    line.run("UPDATE arcust SET fac = 2, nm = 'Right' WHERE cust_no = 'C05000'")
    assert wanted(line, BROKEN)["note"] == "50"
    nothing_left(line)


def test_a_cast_that_fails_in_a_mapping_parks_its_entity_only(new_line: NewLine) -> None:
    line = new_line(sql=_CUSTOMER.replace("CAST(100 / c.fac AS text)", "CAST(CAST(c.nm AS integer) AS text)"))
    line.start()
    line.run(
        f"INSERT INTO arcust SELECT 'C' || lpad(n::text, 5, '0'), n, 1, '2024-01-31', 4 FROM generate_series(0, {BATCH - 1}) n",
        "UPDATE arcust SET nm = 'many' WHERE cust_no = 'C05000'",
    )
    assert line.wrong() == []
    assert arrived(line) == BATCH - 1
    assert (the_only_exception(line).stage, the_only_exception(line).code) == ("evaluate", "breaking_value")
    line.run("UPDATE arcust SET nm = '7' WHERE cust_no = 'C05000'")
    nothing_left(line)


def test_a_broken_entity_that_becomes_what_it_was_closes_its_exception(new_line: NewLine) -> None:
    line = new_line()
    line.start()
    line.run("INSERT INTO arcust VALUES ('C00001', 'One', 1, '2024-01-31', 4)")
    line.run("UPDATE arcust SET fac = 0")
    assert the_only_exception(line).stage == "evaluate"
    line.run("UPDATE arcust SET fac = 4")
    assert line.exceptions() == ()
    assert line.wrong() == []
