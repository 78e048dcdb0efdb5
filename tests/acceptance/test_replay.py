"""What a rule parked is decided anew by another; a change of rules reaches what it means; a brake holds what is too much."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.operations.exceptions import replay, skip
from agent.store.embedded import EmbeddedServer
from agent.store.migrate import migrate
from sandbox.legacy.book import create, load
from tests.support.line import Line

pytestmark = pytest.mark.acceptance

_numbers = count(1)
WHO = {"actor": "ada", "reason": "ticket 7"}
OWNED = {"version": "2", "rules": [
    {"object": name, "owner": "finance"} for name in ("legal_entity", "customer", "customer_account", "invoice", "payment")
]}  # fmt: skip
UNOWNED = {"version": "1", "rules": [rule for rule in OWNED["rules"] if rule["object"] != "customer"]}  # type: ignore[index]


class Estate:
    """A tiny book behind a line whose configuration a test changes."""

    def __init__(self, line: Line, slot: str) -> None:
        self.line = line
        self._slot = slot

    def configure(self, **settings: Any) -> None:
        """The next start's configuration."""
        targets = {"erp": {"brake": settings.pop("brake", {"records": 100_000, "share": 1.0})}}
        self.line.configure({"sources": {"finance": {"slot": self._slot}}, "targets": targets, **settings})

    def restart(self) -> None:
        """As a new start of the agent does."""
        self.line.make_deriver()
        self.line.drain()

    def customers(self) -> dict[str, int]:
        """Customer commands by state."""
        rows = self.line.ask("SELECT state, count(*) FROM coexist.command WHERE object = 'customer' GROUP BY 1")
        return {str(state): int(n) for state, n in rows}

    def deliver(self) -> None:
        """As if the ERP had taken everything that waits."""
        self.line.store.execute("UPDATE coexist.record SET lifecycle = 'live'")
        self.line.store.execute("UPDATE coexist.command SET state = 'applied', done_at = now() WHERE state = 'waiting'")


@pytest.fixture
def estate(server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """Not started yet."""
    number = next(_numbers)
    names = (f"replay_source_{number}", f"replay_store_{number}")
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
    line = Line(tmp_path, source_dsn, store_dsn, {"sources": {"finance": {"slot": names[0]}}})
    yield Estate(line, names[0])
    line.close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (names[0],))
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# ---------------------------------------------------------------------------------------------------- no owner


def test_what_nobody_owned_is_decided_anew_when_it_is_replayed(estate: Estate) -> None:
    line = estate.line
    estate.configure(ownership=UNOWNED)
    line.start()
    parked = estate.customers()["parked"]
    assert set(estate.customers()) == {"parked"}
    first = line.exceptions()[-1]
    assert first.code == "no_owner"
    assert "no ownership rule covers" in first.message
    # The rules change while the agent is not told to decide everything anew.
    estate.configure(ownership={**OWNED, "version": "1"})
    line.store.execute("UPDATE coexist.mapping_version SET rules = ''")
    estate.restart()
    assert estate.customers() == {"parked": parked}
    done = replay(line.store, first.exception_id, **WHO)
    assert done.moved == 1
    assert line.wrong() == []
    line.drain()
    assert estate.customers() == {"parked": parked - 1, "waiting": 1, "superseded": 1}
    wanted, historical, cause = line.ask(
        "SELECT c.wanted, c.historical, j.cause FROM coexist.command c JOIN coexist.journal j USING (event_id)"
        " WHERE c.object = 'customer' AND c.state = 'waiting'"
    )[0]
    assert {"external_number", "name", "city", "email"} <= set(wanted)
    assert (historical, cause) == (True, "replay")
    assert line.wrong() == []
    assert first.exception_id not in [e.exception_id for e in line.exceptions()]


def test_replaying_under_the_same_rules_parks_it_again(estate: Estate) -> None:
    line = estate.line
    estate.configure(ownership=UNOWNED)
    line.start()
    parked = estate.customers()["parked"]
    first = line.exceptions()[-1]
    replay(line.store, first.exception_id, **WHO)
    line.drain()
    assert estate.customers() == {"parked": parked, "superseded": 1}
    assert [e.subject for e in line.exceptions()].count(first.subject) == 1
    assert line.wrong() == []


def test_a_change_of_ownership_reaches_every_entity_at_the_next_start(estate: Estate) -> None:
    line = estate.line
    estate.configure(ownership=UNOWNED)
    line.start()
    parked = estate.customers()["parked"]
    estate.configure(ownership=OWNED)
    estate.restart()
    assert estate.customers() == {"superseded": parked, "waiting": parked}
    assert line.exceptions() == ()
    assert line.wrong() == []
    journal = line.ask(
        "SELECT DISTINCT event_type, changes::text FROM coexist.journal WHERE cause = 'replay' AND entity = 'customer'"
    )
    assert journal == [("customer.replay", "{}")]
    # A third start under the same rules has nothing to do.
    estate.restart()
    assert estate.customers() == {"superseded": parked, "waiting": parked}


def test_a_change_of_a_value_map_reaches_the_entities_of_its_mappings(estate: Estate) -> None:
    line = estate.line
    line.start()
    before = line.ask("SELECT count(*) FROM coexist.command WHERE object = 'payment'")[0][0]
    customers = estate.customers()
    codes = dict(line.config.value_maps["payment_method"].values)
    code = next(iter(codes))
    estate.configure(value_maps={"payment_method": {"values": {**codes, code: "Barter"}, "on_missing": "keep"}})
    estate.restart()
    rows = line.ask("SELECT wanted->>'method' FROM coexist.command WHERE object = 'payment' AND state = 'waiting'")
    assert ("Barter",) in rows
    assert line.ask("SELECT count(*) FROM coexist.command WHERE object = 'payment'")[0][0] == 2 * before
    assert estate.customers() == customers
    assert line.wrong() == []


def test_a_change_of_rules_that_touches_too_much_is_held_by_the_brake(estate: Estate) -> None:
    line = estate.line
    line.start()
    estate.deliver()
    estate.configure(ownership=OWNED, brake={"records": 10, "share": 1.0})
    estate.restart()
    assert estate.customers()["braked"] == estate.customers()["applied"]
    held = [e for e in line.exceptions() if e.object == "customer"]
    assert [(e.stage, e.code) for e in held] == [("brake", "too_many_records")]
    assert line.wrong() == []


# ---------------------------------------------------------------------------------------------------- the brake


def _braked(estate: Estate, *statements: str, **settings: Any) -> int:
    estate.configure(brake={"records": 20, "share": 1.0}, **settings)
    estate.line.start()
    estate.deliver()
    estate.line.run(*statements)
    (held,) = estate.line.exceptions()
    assert (held.stage, held.code, held.object) == ("brake", "too_many_records", "customer")
    assert "replay lets it through, skip drops it" in held.remedy
    assert set(estate.customers()) == {"applied", "braked"}
    assert estate.line.wrong() == []
    return held.exception_id


SLICED = {"agent": {"slice_entities": 10}}


@pytest.mark.parametrize("settings", [{}, SLICED], ids=["whole", "sliced"])
@pytest.mark.parametrize("statement", ["TRUNCATE fin.arcust", "UPDATE fin.arcust SET nm = 'X'"])
def test_one_cause_that_touches_too_many_records_is_held_and_let_through(
    statement: str, settings: dict[str, Any], estate: Estate
) -> None:
    number = _braked(estate, statement, **settings)
    n = estate.customers()["braked"]
    assert n > 20
    assert replay(estate.line.store, number, **WHO).moved == n
    assert estate.customers() == {"applied": n, "waiting": n}
    assert estate.line.exceptions() == ()
    assert estate.line.wrong() == []


def test_an_edit_of_a_code_table_that_touches_too_many_records_is_held_and_dropped(estate: Estate) -> None:
    line = estate.line
    line.source.execute("UPDATE fin.arcust SET seg_cd = (SELECT cd FROM fin.cdtab WHERE tab_id = 'SEGM' ORDER BY cd LIMIT 1)")
    number = _braked(estate, "UPDATE fin.cdtab SET txt = 'Everybody' WHERE tab_id = 'SEGM'")
    n = estate.customers()["braked"]
    assert skip(line.store, number, **WHO).moved == n
    assert estate.customers() == {"applied": n, "skipped": n}
    assert line.wrong() == []


def test_a_later_change_of_a_braked_record_waits_behind_it(estate: Estate) -> None:
    line = estate.line
    _braked(estate, "UPDATE fin.arcust SET nm = 'X'")
    line.run("UPDATE fin.arcust SET nm = 'Y' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    rows = line.ask(
        "SELECT state FROM coexist.command WHERE entity_id = (SELECT entity_id FROM coexist.command WHERE state = 'waiting')"
        " ORDER BY command_id"
    )
    assert rows == [("applied",), ("braked",), ("waiting",)]
    head = line.ask(
        "SELECT min(command_id) = (SELECT command_id FROM coexist.command WHERE state = 'waiting') FROM coexist.command"
        " WHERE state IN ('waiting', 'braked') AND entity_id = (SELECT entity_id FROM coexist.command WHERE state = 'waiting')"
    )
    assert head == [(False,)]


@pytest.mark.parametrize("settings", [{}, SLICED], ids=["whole", "sliced"])
def test_what_the_brake_holds_takes_nothing_along_that_waited_before(
    settings: dict[str, Any], estate: Estate
) -> None:
    line = estate.line
    estate.configure(brake={"records": 20, "share": 1.0}, **settings)
    line.start()
    estate.deliver()
    line.run("UPDATE fin.arcust SET nm = 'Innocent' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    line.run("UPDATE fin.arcust SET nm = 'X'")
    (held,) = line.exceptions()
    n = estate.customers()["braked"]
    assert estate.customers() == {"applied": n, "waiting": 1, "braked": n}
    assert skip(line.store, held.exception_id, **WHO).moved == n
    assert line.ask("SELECT wanted ->> 'name' FROM coexist.command WHERE state = 'waiting'") == [("Innocent",)]
    assert line.wrong() == []


@pytest.mark.parametrize("lost", [True, False], ids=["a create without an answer", "never sent"])
def test_a_delete_spares_a_create_that_may_still_be_under_way(lost: bool, estate: Estate) -> None:
    line = estate.line
    estate.configure()
    line.start()
    (command, entity), = line.ask(
        "SELECT command_id, entity_id FROM coexist.command WHERE object = 'customer' AND state = 'waiting' ORDER BY 1 LIMIT 1"
    )
    if lost:
        line.store.execute(
            "INSERT INTO coexist.call"
            " (call_id, request_id, command_id, target, object, entity_id, action, external_key, digest, body)"
            " SELECT 1, 1, command_id, target, object, entity_id, 'create', '{}', '', '{}'"
            " FROM coexist.command WHERE command_id = %s",
            (command,),
        )
        line.store.execute("INSERT INTO coexist.outcome (call_id, kind) VALUES (1, 'unknown'), (1, 'absent')")
    line.run(
        "UPDATE fin.arcust SET nm = nm || ' 2' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)",
        "UPDATE fin.arcust SET nm = nm || ' 2'",
    )
    key = line.ask("SELECT key_cust_no FROM state_finance.customer WHERE _id = %s", entity)[0][0]
    line.run(f"DELETE FROM fin.arcust WHERE cust_no = '{key}'")
    found = line.ask("SELECT kind, state FROM coexist.command WHERE entity_id = %s ORDER BY command_id", entity)
    assert found == [("state", "superseded"), ("state", "waiting" if lost else "superseded"), ("delete", "waiting")]
    assert line.wrong() == []
