"""`coexist connect …` against a real worker: from a plan to a connector that runs, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import psycopg
import pytest
from click.testing import CliRunner, Result

from agent.cli import cli
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from tests.support.connectors import Connectors
from tests.support.processes import wait_until

pytestmark = pytest.mark.stack

CONFIG = """\
store: {{dsn: {{env: TEST_STORE_DSN}}}}
sources:
  shop:
    capture: kafka
    database: postgres
    dsn: {{env: TEST_SHOP_DSN}}
    kafka: {{bootstrap_servers: "{kafka}"}}
    connect: {{url: "{connect}", timeout_seconds: 10}}
    slot: {name}
    publication: {name}
    topic: coexist.{name}
    connector: {{hostname: 127.0.0.1, port: {port}, user: {user}, password: "${{env:POSTGRES_PASSWORD}}", dbname: {name}}}
  direct:
    dsn: {{env: TEST_SHOP_DSN}}
  theirs:
    capture: kafka
    database: postgres
    dsn: {{env: TEST_SHOP_DSN}}
    slot: theirs
    kafka: {{bootstrap_servers: "{kafka}"}}
mappings:
  client: {{entity: customer, source: shop, sql: client.sql, key: [key_cl_no]}}
ownership:
  version: "1"
  rules: [{{object: customer, owner: shop}}]
targets: {{}}
"""
MAPPING = "SELECT c.cl_no AS key_cl_no, c.nm AS name FROM shop.client AS c LEFT JOIN shop.town AS t ON t.id = c.town"
WHY = ("--yes", "--reason", "a test", "--actor", "tess")


@dataclass
class Line:
    """One operator's desk: the configuration, the command, and the source's database."""

    config: Path
    db: psycopg.Connection
    user: str
    name: str

    def coexist(self, *args: str) -> Result:
        """`coexist connect …`"""
        return CliRunner(catch_exceptions=False).invoke(cli, ["--config", str(self.config), "connect", *args])

    def json(self, *args: str) -> dict[str, object]:
        """The same with -o json."""
        found: dict[str, object] = orjson.loads(self.coexist(*args, "-o", "json").stdout)
        return found

    def rewrite(self, before: str, after: str) -> None:
        """Change the configuration."""
        text = self.config.read_text()
        assert before in text
        self.config.write_text(text.replace(before, after, 1))

    def password(self, password: str) -> None:
        """Give the connector's user another one, in the database."""
        self.db.execute(f"ALTER ROLE {self.user} PASSWORD '{password}'")


@pytest.fixture
def line(
    tmp_path: Path, broker: Broker, connect_worker: Worker, connectors: Connectors, new_database: str,
    store: psycopg.Connection, monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Line]:  # fmt: skip
    at = urlsplit(new_database)
    name, user = at.path.lstrip("/"), f"debezium_{at.path.lstrip('/')}"
    info = store.info
    monkeypatch.setenv("TEST_SHOP_DSN", new_database)
    monkeypatch.setenv(
        "TEST_STORE_DSN", f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
    )
    (tmp_path / "client.sql").write_text(MAPPING)
    path = tmp_path / "coexist.yaml"
    path.write_text(CONFIG.format(
        kafka=broker.bootstrap, connect=connect_worker.url, name=name, port=at.port, user=user
    ))  # fmt: skip
    with psycopg.connect(new_database, autocommit=True) as db:
        db.execute("CREATE SCHEMA shop; CREATE TABLE shop.town (id int PRIMARY KEY)")
        db.execute("CREATE TABLE shop.client (cl_no char(8) PRIMARY KEY, nm text, town int)")
        db.execute("INSERT INTO shop.client VALUES (1)")
        db.execute(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{at.password}'")
        yield Line(path, db, user, name)
        if connect_worker.running:
            _forget(connectors, f"coexist.{name}")
        db.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")


def _forget(connectors: Connectors, name: str) -> None:
    if connectors.status(name) is not None:
        connectors.delete(name)


def running(line: Line) -> Callable[[], bool]:
    return lambda: line.coexist("list").exit_code == 0


def test_a_connector_is_planned_made_held_and_let_go_on(line: Line, store: psycopg.Connection) -> None:
    planned = line.json("plan", "shop")
    assert (planned["action"], planned["tables"]) == ("create", ["shop.client", "shop.town"])
    assert line.coexist("plan", "shop").exit_code == 4
    made = line.coexist("apply", "shop", *WHY)
    assert f"connector coexist.{line.name} made" in made.stdout
    wait_until("it runs", running(line), 60)
    assert line.coexist("plan", "shop").exit_code == 0
    assert "is as it should be" in line.coexist("apply", "shop", *WHY).stdout
    for action, state in (("pause", "PAUSED"), ("resume", "RUNNING"), ("stop", "STOPPED"), ("resume", "RUNNING")):
        assert line.coexist(action, "shop", *WHY).exit_code == 0
        wait_until(f"it is {state}", _stands(line, state), 60)
    found = store.execute("SELECT actor, action, subject, reason FROM coexist.audit ORDER BY audit_id").fetchall()
    assert found == [
        ("tess", f"connect.{action}", "shop", "a test") for action in ("create", "pause", "resume", "stop", "resume")
    ]


def test_what_somebody_changed_in_the_worker_is_shown_and_put_right(line: Line, connectors: Connectors) -> None:
    line.coexist("apply", "shop", *WHY)
    wait_until("it runs", running(line), 60)
    name = f"coexist.{line.name}"
    _, config = connectors.call("GET", f"/connectors/{name}/config")
    theirs = {**config, "poll.interval.ms": "500", "database.sslpassword": "hunter2"}
    connectors.call("PUT", f"/connectors/{name}/config", theirs)
    planned = line.coexist("plan", "shop", "-o", "json").stdout
    assert orjson.loads(planned)["changes"] == [
        {"property": "database.sslpassword", "was": "***", "becomes": None},
        {"property": "poll.interval.ms", "was": "500", "becomes": "10"},
    ]
    assert "hunter2" not in planned + line.coexist("plan", "shop").stdout
    dry = line.coexist("apply", "shop", *WHY, "--dry-run")
    assert "poll.interval.ms" in dry.stdout
    assert line.coexist("plan", "shop").exit_code == 4
    assert "changed" in line.coexist("apply", "shop", *WHY).stdout
    assert line.coexist("plan", "shop").exit_code == 0


def test_a_shown_connector_tells_tasks_and_offsets(line: Line) -> None:
    line.coexist("apply", "shop", *WHY)
    wait_until("it has an offset", lambda: bool(line.json("show", "shop")["offsets"]), 60)
    shown = line.coexist("show", "shop")
    assert "RUNNING" in shown.stdout
    assert "lsn=" in shown.stdout
    assert "POSTGRES_PASSWORD" not in shown.stdout


def test_without_a_yes_nothing_is_done(line: Line) -> None:
    refused = line.coexist("apply", "shop", "--reason", "x")
    assert refused.exit_code == 6
    assert "add --yes" in refused.stderr
    assert line.coexist("list").exit_code == 3
    assert "no such connector" in line.coexist("list").stdout


def test_a_wrong_password_is_found_by_the_plan(line: Line) -> None:
    line.password("another")
    refused = line.coexist("plan", "shop")
    assert refused.exit_code == 2
    assert "password authentication failed" in refused.stderr
    assert "remedy: give the worker the right password" in refused.stderr


def test_a_wrong_host_a_wrong_value_and_a_missing_reference_are_told_by_field(line: Line) -> None:
    line.rewrite("hostname: 127.0.0.1", "hostname: nowhere.invalid")
    refused = line.coexist("plan", "shop")
    assert refused.exit_code == 2
    assert "connector.hostname" in refused.stderr
    line.rewrite("hostname: nowhere.invalid", "properties: {max.batch.size: many}, hostname: 127.0.0.1")
    refused = line.coexist("plan", "shop")
    assert refused.exit_code == 2
    assert "connector.properties[max.batch.size]" in refused.stderr
    assert "many" in refused.stderr
    line.rewrite("{max.batch.size: many}", "{}")
    line.rewrite("${env:POSTGRES_PASSWORD}", "${env:NOT_THERE}")
    refused = line.coexist("plan", "shop")
    assert refused.exit_code == 2
    assert "password authentication failed" in refused.stderr  # Connect leaves a reference to nothing as it is


def test_a_source_without_a_connector_of_ours_is_refused_by_name(line: Line) -> None:
    for source, said in (("direct", "captured directly"), ("theirs", "somebody else's"), ("shp", "there is no source 'shp'")):
        refused = line.coexist("plan", source)
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.output


def test_a_plugin_that_is_not_installed_is_named_with_what_is(line: Line, tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "none").mkdir()
    bare = Worker(tmp_path / "worker", broker.bootstrap, group="bare", settings={"plugin.path": tmp_path / "none"})
    with bare:
        line.rewrite(line.config.read_text().partition('connect: {url: "')[2].partition('"')[0], bare.url)
        refused = line.coexist("plan", "shop")
        assert refused.exit_code == 2
        assert "has no plugin io.debezium.connector.postgresql.PostgresConnector" in refused.stderr
        assert "plugin.path" in refused.stderr


def test_connect_that_is_down_is_an_outage_for_every_command(line: Line) -> None:
    line.rewrite(line.config.read_text().partition('connect: {url: "')[2].partition('"')[0], "http://127.0.0.1:9")
    for args in (("plan", "shop"), ("show", "shop"), ("apply", "shop", *WHY), ("restart", "shop", *WHY)):
        refused = line.coexist(*args)
        assert refused.exit_code == 7, refused.output
        assert "Kafka Connect cannot be reached" in refused.stderr
    listed = line.coexist("list")
    assert listed.exit_code == 3
    assert "cannot be reached" in listed.stdout


def test_a_failed_task_is_shown_with_its_cause_and_starts_again_when_it_is_gone(line: Line, new_database: str) -> None:
    line.coexist("apply", "shop", *WHY)
    wait_until("it runs", running(line), 60)
    line.password("another")
    assert line.coexist("restart", "shop", *WHY).exit_code == 0
    wait_until("it failed", lambda: "FAILED" in line.coexist("list").stdout, 90)
    assert "password authentication failed" in line.coexist("show", "shop").stdout
    line.password(urlsplit(new_database).password or "")
    assert line.coexist("restart", "shop", *WHY).exit_code == 0
    wait_until("it runs again", running(line), 60)


def _stands(line: Line, state: str) -> Callable[[], bool]:
    def stands() -> bool:
        (found,) = orjson.loads(line.coexist("list", "-o", "json").stdout)["connectors"]
        return bool(found["state"]["state"] == state)

    return stands
