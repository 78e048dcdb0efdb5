"""Bad input through the real command: each error says what, where and what to do, and nothing starts that is not safe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from agent.capture.postgres.capture import PostgresCapture
from agent.model.changes import ResumePoint
from cdc_config.loader import DEFAULTS
from sandbox.legacy.book import create
from tests.support.estate import AGENT, SECRET, Estate, Servers
from tests.support.processes import ROOT, wait_until
from tests.support.servers import Server

pytestmark = pytest.mark.acceptance

Settings = Mapping[str, Any]


class Refused:
    """What the command said when it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err, err
        assert SECRET not in out + err

    def says(self, *texts: str) -> None:
        """Each of the texts, and always what to do."""
        for text in (*texts, "remedy:"):
            assert text in self.err, f"{text!r} is not in:\n{self.err}"


class Operator:
    """Somebody who changes an estate's configuration and calls the command."""

    def __init__(self, estate: Estate, directory: Path) -> None:
        self.estate = estate
        self.directory = directory
        self.config = directory / "coexist.yaml"
        self.configure({})

    def configure(self, settings: Settings) -> None:
        """The estate's configuration with `settings` laid over it."""
        tree = yaml.safe_load(self.estate.config.read_text())
        self.config.write_text(yaml.safe_dump(_over(tree, settings)))

    def mapping(self, sql: str, **more: Any) -> None:
        """A customer mapping of our own in place of the shipped one."""
        (self.directory / "customer.sql").write_text(sql)
        self.configure({"mappings": {"finance.customer": {"sql": str(self.directory / "customer.sql"), **more}}})

    def run(self, *args: str, env: Mapping[str, str | None] | None = None, seconds: float = 60) -> Refused:
        """The command to its end."""
        base = {**os.environ, **self.estate._env, **(env or {})}
        done = subprocess.run(
            [*AGENT, "--config", str(self.config), *args], capture_output=True, text=True, timeout=seconds, cwd=ROOT,
            env={name: value for name, value in base.items() if value is not None}, check=False,
        )  # fmt: skip
        return Refused(done.returncode, done.stdout, done.stderr)

    def refused(self, *texts: str, code: int, by: tuple[str, ...] = ("run",), **more: Any) -> None:
        """Each of these commands refuses and says so."""
        for command in by:
            found = self.run(*command.split(), **more)
            assert found.code == code, f"{command} ended with {found.code}:\n{found.err[-2000:]}"
            found.says(*texts)


def _over(below: Settings, above: Settings) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        old = found.get(name)
        found[name] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


@pytest.fixture(scope="module")
def idle(servers: Servers) -> Iterator[Estate]:
    """An estate in which no agent has ever run."""
    with Estate(servers) as made:
        yield made


@pytest.fixture
def operator(idle: Estate, tmp_path: Path) -> Operator:
    return Operator(idle, tmp_path)


CUSTOMER = "SELECT c.cust_no AS key_cust_no,\n  rtrim(c.cust_no) AS external_number,\n  {}\nFROM fin.arcust AS c\n"


# ---------------------------------------------------------------------------------------------------- mappings


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("c.nmm AS name", ("nmm", "nm")),
        ("first_value(c.nm) OVER (PARTITION BY c.seg_cd) AS name", ("OVER",)),
        ("CAST(random() AS text) AS name", ("random",)),
        ("to_char(c.ins_dt, 'Month') AS name", ("Month",)),
        ("CAST(c.ins_dt AS money) AS name", ("money",)),
    ],
    ids=["no such column", "a window", "random", "a format that depends on the language", "a type of one dialect"],
)
def test_a_mapping_that_cannot_be_maintained_is_refused_with_file_and_line(
    column: str, said: tuple[str, ...], operator: Operator
) -> None:
    operator.mapping(CUSTOMER.format(column))
    for command in ("map check finance.customer", "run"):
        found = operator.run(*command.split())
        assert found.code == 2, found.err
        found.says(f"where:  {operator.directory}/customer.sql:3")
        assert any(text.lower() in found.err.lower() for text in said), found.err


def test_a_mapping_over_a_table_without_a_key_is_refused(operator: Operator) -> None:
    operator.mapping(CUSTOMER.format("c.usr_id AS name").replace("c.cust_no", "c.usr_id").replace("fin.arcust", "fin.audlog"))
    operator.refused("audlog", code=2, by=("map check finance.customer",))
    assert operator.run("run").code in (1, 2)


def test_a_mapping_over_a_table_that_is_not_there_is_refused(operator: Operator) -> None:
    operator.mapping(CUSTOMER.format("c.nm AS name").replace("fin.arcust", "fin.arcusd"))
    operator.refused("fin.arcusd", "customer.sql", code=2, by=("map check finance.customer", "run"))


# ---------------------------------------------------------------------------------------------------- configuration


def test_an_owner_that_nobody_knows_is_refused(operator: Operator) -> None:
    operator.configure({"ownership": {"version": "1", "rules": [{"object": "customer", "owner": "fiance"}]}})
    operator.refused("fiance", "finance", f"where:  {operator.config}", code=2, by=("config check", "run"))


def test_a_secret_that_is_not_there_is_refused_by_its_name(operator: Operator) -> None:
    operator.refused(
        "ESTATE_SECRET is not set", f"where:  {operator.config}", code=2, by=("config check", "run"),
        env={"ESTATE_SECRET": None},
    )


def test_a_profile_that_names_a_field_nobody_knows_is_refused(operator: Operator) -> None:
    shipped = yaml.safe_load((DEFAULTS / "profiles" / "d365fo.yaml").read_text())
    fields = shipped["objects"]["customer"]["fields"]
    fields["nmae"] = fields.pop("name")
    (operator.directory / "erp.yaml").write_text(yaml.safe_dump(shipped, sort_keys=False))
    operator.configure({"targets": {"erp": {"profile": str(operator.directory / "erp.yaml")}}})
    operator.refused("nmae", "erp.yaml", code=2, by=("config check", "run"))


@pytest.mark.parametrize("dsn", ["postgresql://app:swordfish@127.0.0.1:1/x", "postgresql:/app:swordfish@nowhere"])
def test_a_store_that_cannot_be_reached_is_told_without_its_password(dsn: str, operator: Operator) -> None:
    found = operator.run("run", env={"ESTATE_STORE": dsn})
    assert found.code in (1, 2, 7)
    found.says("store")
    assert "swordfish" not in found.err


def test_a_source_that_cannot_be_reached_is_told_and_waited_for(operator: Operator) -> None:
    dsn = "postgresql://app:swordfish@127.0.0.1:1/x"
    found = operator.run("map", "check", env={"ESTATE_SOURCE": dsn})
    assert found.code == 7
    found.says("127.0.0.1")
    assert "swordfish" not in found.err


def test_a_source_dsn_that_is_none_is_refused(operator: Operator) -> None:
    found = operator.run("run", env={"ESTATE_SOURCE": "host=x prot=5 password=swordfish"})
    assert found.code != 0
    found.says()
    assert "swordfish" not in found.err


# ---------------------------------------------------------------------------------------------------- sources


def test_a_source_without_logical_decoding_is_refused(operator: Operator) -> None:
    root = Path(tempfile.mkdtemp(prefix="coexist-replica-"))
    root.chmod(0o755)
    server = Server(root / "data", {"wal_level": "replica"})
    try:
        dsn = server.new_database("legacy")
        with psycopg.connect(dsn, autocommit=True) as conn:
            create(conn)
        operator.refused("wal_level is replica", "set wal_level = logical", code=1, env={"ESTATE_SOURCE": dsn})
    finally:
        server.remove()
        shutil.rmtree(root, ignore_errors=True)


def test_a_slot_that_another_agent_reads_is_refused(operator: Operator) -> None:
    estate = operator.estate
    capture = PostgresCapture(
        estate.source_dsn, publication="coexist_other", slot="coexist_taken", tables=(("fin", "arcust"),), create=True
    )
    for _ in capture.snapshot():
        pass
    batches = capture.stream(_resume(capture))
    try:
        next(batches)
        operator.configure({"sources": {"finance": {"slot": "coexist_taken"}}})
        operator.refused("coexist_taken is in use", "stop the other agent", code=1)
    finally:
        capture.close()
        _drop(estate, "coexist_taken")


def _resume(capture: PostgresCapture) -> ResumePoint:
    assert capture._snapshot_end is not None
    return ResumePoint(capture._snapshot_end)


def _drop(estate: Estate, slot: str) -> None:
    with psycopg.connect(estate.source_dsn, autocommit=True) as conn:
        wait_until("the slot is free", lambda: not conn.execute(
            "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active", (slot,)).fetchall())  # fmt: skip
        conn.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (slot,))


# ---------------------------------------------------------------------------------------------------- an estate that has run


def _source(estate: Estate, sql: str) -> None:
    with psycopg.connect(estate.source_dsn, autocommit=True) as conn:
        conn.execute(sql.encode())


def _tell(estate: Estate, sql: str) -> None:
    estate.ask(lambda conn: conn.execute(sql.encode()))


def _balanced(estate: Estate) -> None:
    """It goes on to the end: both sides agree, the books balance, nothing is open."""
    estate.start()
    estate.wait_until_drained()
    assert estate.compare().balanced
    assert estate.books().balanced
    assert estate.exceptions() == ()
    assert estate.stop() == 0


def test_a_slot_ahead_of_the_store_is_refused_until_the_source_is_read_anew(estate: Estate, tmp_path: Path) -> None:
    operator = Operator(estate, tmp_path)
    _source(estate, "UPDATE fin.arcust SET cty = 'Unseen' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    _source(estate, "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots"
                    " WHERE database = current_database()")  # fmt: skip
    operator.refused("ahead of the store", "coexist source resnapshot", code=1)
    done = operator.run("source", "resnapshot", "finance", "--reason", "ticket 7", "--yes")
    assert (done.code, done.out) == (0, "source finance will be read anew, as incarnation 2\n"), done.err
    _balanced(estate)


def test_a_running_agent_reads_a_source_anew_when_told(estate: Estate, tmp_path: Path) -> None:
    operator = Operator(estate, tmp_path)
    estate.start()
    estate.wait_until_drained()
    before = estate.ask(lambda c: c.execute("SELECT incarnation FROM coexist.stream").fetchone())
    done = operator.run("source", "resnapshot", "finance", "--reason", "ticket 7", "--yes")
    assert done.code == 0, done.err
    wait_until("the new snapshot is in", lambda: estate.ask(lambda c: c.execute(
        "SELECT snapshot_state = 'done' AND incarnation > %s FROM coexist.stream", before).fetchone()) == (True,))  # fmt: skip
    _source(estate, "UPDATE fin.arcust SET cty = 'Later' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    estate.wait_until_drained()
    assert estate.compare().balanced
    assert estate.books().balanced
    assert estate.stop() == 0


def test_another_source_behind_the_same_address_is_refused(estate: Estate, tmp_path: Path) -> None:
    operator = Operator(estate, tmp_path)
    _tell(estate, "UPDATE coexist.stream SET system_id = '7'")
    operator.refused("not the incarnation of the source", "coexist source resnapshot", code=1)
    assert operator.run("source", "resnapshot", "finanse", "--reason", "x", "--yes").code == 2
    assert operator.run("source", "resnapshot", "finance", "--reason", "x", "--yes").code == 0
    _balanced(estate)


def test_a_store_that_was_restored_is_refused_until_accepted(estate: Estate, tmp_path: Path) -> None:
    operator = Operator(estate, tmp_path)
    _tell(estate, "UPDATE coexist.store_identity SET system_id = '7'")
    operator.refused("restored or failed over", "coexist store accept-restore", "where:  store", code=1)
    assert operator.run("store", "accept-restore", "--reason", "x").code == 6
    done = operator.run("store", "accept-restore", "--reason", "ticket 8", "--yes")
    assert done.code == 0, done.err
    assert "will be asked about" in done.out
    _source(estate, "UPDATE fin.arcust SET cty = 'Restored' WHERE cust_no = (SELECT max(cust_no) FROM fin.arcust)")
    _balanced(estate)


def test_a_row_that_violates_the_model_parks_its_entity_until_it_is_corrected(estate: Estate) -> None:
    estate.start()
    estate.wait_until_drained()
    _source(estate, "UPDATE fin.arinvh SET cur = 'X' WHERE (co_cd, inv_no) ="
                    " (SELECT co_cd, inv_no FROM fin.arinvh WHERE sta_cd = 'D' LIMIT 1)")  # fmt: skip
    _source(estate, "UPDATE fin.arcust SET cty = 'Goes on' WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
    estate.wait_until_drained()
    (found,) = estate.exceptions()
    assert (found.stage, found.entity) == ("validate", "invoice")
    assert "currency" in found.message
    assert "correct the legacy row" in found.remedy
    assert estate.books().balanced
    _source(estate, "UPDATE fin.arinvh SET cur = 'EUR' WHERE cur = 'X'")
    estate.wait_until_drained()
    assert estate.exceptions() == ()
    assert estate.compare().balanced
    assert estate.stop() == 0


def test_an_api_that_answers_nonsense_loses_and_doubles_nothing(estate: Estate) -> None:
    estate.start()
    estate.wait_until_drained()
    for work in (True, False):
        body = json.dumps({"kind": "nonsense", "count": 3, "work": work}).encode()
        urllib.request.urlopen(f"{estate.erp_url}/_control/faults", body, timeout=5).close()
    _source(estate, "UPDATE fin.arcust SET cty = 'Nonsense' WHERE cust_no IN (SELECT cust_no FROM fin.arcust LIMIT 20)")
    _source(estate, "INSERT INTO fin.arcust (cust_no, nm) VALUES ('ODD-1', 'New one')")
    estate.wait_until_drained()
    assert estate.exceptions() == ()
    assert estate.compare().balanced
    assert estate.books().balanced
    assert estate.stop() == 0


