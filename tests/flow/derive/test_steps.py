"""Documents whose steps matter: each step becomes a command of its own, however late the deriver comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sandbox.legacy.book import create
from tests.support.line import Line, running

_INVOICE = (
    "INSERT INTO fin.arinvh (co_cd, inv_no, cust_no, inv_dt, due_dt, cur, sta_cd, tot_am)"
    " VALUES ('US01', '{no}', 'C1', '2024-05-01', '2024-05-31', 'USD', '{status}', 10)"
)
_LINE = "INSERT INTO fin.arinvl (co_cd, inv_no, ln_no, qty, prc, am) VALUES ('US01', '{no}', {ln}, 1, 10, 10)"
_STATUS = "UPDATE fin.arinvh SET sta_cd = '{status}' WHERE inv_no = '{no}'"


@pytest.fixture
def line(tmp_path: Path, new_database: str, store: psycopg.Connection) -> Iterator[Line]:
    """A book of one customer and the draft I1, derived."""
    with psycopg.connect(new_database, autocommit=True) as conn:
        create(conn)
        conn.execute("INSERT INTO fin.co (co_cd, nm, cur, ctry_cd) VALUES ('US01', 'Ours', 'USD', 'USA')")
        conn.execute("INSERT INTO fin.arcust (cust_no, nm, ctry_cd) VALUES ('C1', 'Acme', 'USA')")
        conn.execute("INSERT INTO fin.arcuco (co_cd, cust_no, cur) VALUES ('US01', 'C1', 'USD')")
        conn.execute(_INVOICE.format(no="I1", status="D").encode())
        conn.execute(_LINE.format(no="I1", ln=1).encode())
    store_dsn = new_database.rpartition("/")[0] + "/" + store.info.dbname
    with running(tmp_path, new_database, store_dsn) as made:
        made.start()
        yield made


def commit(line: Line, *statements: str) -> None:
    """One transaction of the source; nobody derives it yet."""
    with line.source.transaction():
        for statement in statements:
            line.source.execute(statement.encode())


def commands(line: Line, no: str) -> list[tuple[str, str]]:
    """(kind, step) of one invoice's commands after the baseline's, in order."""
    return [(kind, step) for kind, step in line.ask(
        "SELECT c.kind, c.step FROM coexist.command c JOIN coexist.source_key k USING (entity_id)"
        " WHERE c.object = 'invoice' AND k.key_text = 'US01/' || %s AND c.txn_no > 1 ORDER BY c.command_id", no,
    )]  # fmt: skip


def test_posted_and_voided_while_the_deriver_was_down_gives_both_steps(line: Line) -> None:
    commit(line, _STATUS.format(no="I1", status="P"))
    commit(line, _STATUS.format(no="I1", status="V"))
    line.follow()
    line.drain()
    assert commands(line, "I1") == [("step", "posted"), ("step", "void")]
    waiting = line.ask("SELECT count(*) FROM coexist.command WHERE object = 'invoice' AND kind = 'step' AND state = 'waiting'")
    assert waiting == [(2,)]


def test_what_one_transaction_does_is_one_step(line: Line) -> None:
    commit(line, _STATUS.format(no="I1", status="P"), _STATUS.format(no="I1", status="V"))
    line.follow()
    line.drain()
    assert commands(line, "I1") == [("step", "void")]


def test_corrections_around_a_step_are_not_folded_into_it(line: Line) -> None:
    commit(line, _LINE.format(no="I1", ln=2), "UPDATE fin.arinvh SET tot_am = 20")
    commit(line, _STATUS.format(no="I1", status="P"))
    commit(line, "UPDATE fin.arinvl SET dsc_tx = 'late' WHERE ln_no = 2")
    line.follow()
    line.drain()
    assert commands(line, "I1") == [("state", "draft"), ("step", "posted"), ("state", "posted")]


def test_steps_of_different_documents_share_a_batch(line: Line) -> None:
    for no in ("I2", "I3", "I4"):
        commit(line, _INVOICE.format(no=no, status="D"), _LINE.format(no=no, ln=1))
    line.follow()
    line.drain()
    for no in ("I2", "I3", "I4"):
        commit(line, _STATUS.format(no=no, status="P"))
    line.follow()
    assert line.step().transactions == 3
    assert [commands(line, no)[-1] for no in ("I2", "I3", "I4")] == [("step", "posted")] * 3
