"""A source or a store restored under the agent: an operator's word, and then nothing is missing and nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from agent.errors import PolicyRefused, SourceError, StoreError
from agent.operations.restores import accept_restore, check_store, resnapshot
from agent.store.embedded import EmbeddedServer
from agent.store.migrate import migrate
from sandbox.legacy.book import create, load
from tests.support.line import Line

pytestmark = pytest.mark.acceptance

_numbers = count(1)
WHO = {"actor": "ada", "reason": "ticket 7"}


@pytest.fixture
def line(server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A tiny book, snapshotted and derived."""
    number = next(_numbers)
    names = (f"restore_source_{number}", f"restore_store_{number}")
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}".encode())
    source_dsn, store_dsn = (server.dsn_of(name) for name in names)
    with psycopg.connect(source_dsn, autocommit=True) as conn:
        create(conn)
        load(conn, seed=5, size="tiny")
    with psycopg.connect(store_dsn, autocommit=True) as conn:
        migrate(conn)
    for name, value in (("LINE_SOURCE", source_dsn), ("LINE_STORE", store_dsn), ("LINE_SECRET", "x")):
        monkeypatch.setenv(name, value)
    made = Line(tmp_path, source_dsn, store_dsn, {
        "sources": {"finance": {"slot": names[0]}}, "targets": {"erp": {"brake": {"records": 100_000, "share": 1.0}}},
    })  # fmt: skip
    made.start()
    yield made
    made.close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (names[0],))
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _lose_the_slot(line: Line) -> None:
    line.stop_capture()
    line.source.execute("SELECT pg_drop_replication_slot(%s)", (line.config.sources["finance"].slot,))


def _true(line: Line) -> None:
    """What the store derived is what the views say of the source itself."""
    names = {"customer": "key_cust_no", "invoice": "key_co_cd, key_inv_no", "payment": "key_co_cd, key_pay_no"}
    for name, key in names.items():
        sql = Path(line.config.mappings[f"finance.{name}"].sql).read_text().rstrip().rstrip(";")
        there = line.source.execute(f"SELECT {key} FROM ({sql}) v".encode()).fetchall()
        here = line.ask(f"SELECT {key} FROM state_finance.{name} WHERE NOT _deleted")
        assert sorted(map(str, there)) == sorted(map(str, here)), name


def test_after_a_lost_slot_everything_is_read_anew_and_balances(line: Line) -> None:
    line.run("UPDATE fin.arcust SET nm = 'before' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    line.source.execute("UPDATE fin.arcust SET nm = 'in the inbox' WHERE cust_no = (SELECT max(cust_no) FROM fin.arcust)")
    line.follow()  # captured, not derived yet
    _lose_the_slot(line)
    line.source.execute("UPDATE fin.arcust SET nm = 'unseen' WHERE cust_no = (SELECT max(cust_no) FROM fin.arcust)")
    line.source.execute("DELETE FROM fin.arpay WHERE pay_no = (SELECT min(pay_no) FROM fin.arpay)")
    with pytest.raises(SourceError, match="is gone; changes after"):
        line.make_capture().check(line.intake.state.resume())
    done = resnapshot(line.store, "finance", **WHO)
    assert (done.source, done.incarnation) == ("finance", 2)
    line.again()
    assert line.wrong() == []
    assert line.exceptions() == ()
    _true(line)
    names = [row[0] for row in line.ask(
        "SELECT wanted->>'name' FROM coexist.command WHERE object = 'customer' AND correlation NOT LIKE 'finance:1:%%'"
    )]
    assert names == ["unseen"]
    assert line.ask("SELECT count(*) FROM coexist.command WHERE object = 'payment' AND kind = 'delete'") == [(1,)]
    line.run("UPDATE fin.arcust SET nm = 'after' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    assert line.wrong() == []
    audit = line.ask("SELECT actor, action, subject, reason FROM coexist.audit")
    assert audit == [("ada", "source.resnapshot", "finance", "ticket 7")]


def test_a_source_set_back_in_time_is_refused_and_its_older_rows_count_after_a_resnapshot(line: Line) -> None:
    line.run("UPDATE fin.arcust SET nm = 'lost by the restore'")
    # A position that the restored server has not reached yet.
    line.store.execute("UPDATE coexist.stream SET position = position + 1000000000")
    line.store.execute("UPDATE mirror_finance_rows.\"fin.arcust\" SET _pos = _pos + 1000000000")
    line.source.execute("UPDATE fin.arcust SET nm = 'as of the backup'")
    line.stop_capture()
    with pytest.raises(SourceError, match="it was restored or is another server") as refused:
        line.make_capture().check(line.intake.state.resume())
    assert "coexist source resnapshot" in refused.value.remedy or "new snapshot" in refused.value.remedy
    _lose_the_slot(line)
    resnapshot(line.store, "finance", **WHO)
    line.again()
    assert line.wrong() == []
    assert line.ask('SELECT DISTINCT rtrim(nm) FROM mirror_finance."fin.arcust"') == [("as of the backup",)]


def test_only_what_was_captured_can_be_read_anew(line: Line) -> None:
    with pytest.raises(PolicyRefused, match="nothing was ever captured of hr"):
        resnapshot(line.store, "hr", **WHO)
    with pytest.raises(PolicyRefused, match="needs a reason"):
        resnapshot(line.store, "finance", actor="ada", reason=" ")
    assert line.ask("SELECT snapshot_state, incarnation FROM coexist.stream") == [("done", 1)]


def test_a_restored_store_is_refused_until_accepted_and_asks_about_everything_then(line: Line) -> None:
    check_store(line.store)
    check_store(line.store)
    line.store.execute("UPDATE coexist.store_identity SET system_id = '7'")
    with pytest.raises(StoreError, match="restored or failed over") as refused:
        check_store(line.store)
    assert "coexist store accept-restore" in refused.value.remedy
    records = line.ask("SELECT count(*) FROM coexist.record")[0][0]
    assert accept_restore(line.store, **WHO).records == records
    check_store(line.store)
    line.run("INSERT INTO fin.arcust (cust_no, nm) VALUES ('NEW', 'made after the restore')")
    assert line.ask("SELECT count(*), bool_and(must_ask) FROM coexist.record") == [(records + 1, True)]
    assert line.ask("SELECT action, reason FROM coexist.audit") == [("store.accept-restore", "ticket 7")]
