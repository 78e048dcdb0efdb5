"""Records what the real connectors write, for tests that need no Java: `python -m tests.tools.record_envelopes NAME…`.

NAME: postgres, postgres_schemas, mariadb; all of them when none is given. Each writes tests/recordings/NAME.jsonl, one JSON
object a line: first `about` (versions, settings of the connector, statements that were run), then `tables` (what the database's
catalogue said from there on), records as they lie in the topic, and last `rows`, what the database itself then held.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import orjson
import psycopg
from confluent_kafka import Consumer, TopicPartition

from agent.capture.kafka.databases import Database, open_database
from agent.store import embedded
from cdc_config.connectors import rendered
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from tests.support.connectors import Connectors
from tests.support.kafka_sources import mariadb_source, postgres_source
from tests.support.processes import wait_until
from tests.support.topics import await_metadata
from tests.tools import recorded_histories as histories
from tests.tools.recorded_histories import Step

RECORDINGS = Path(__file__).parents[1] / "recordings"
MARKS = "marks"  # after every step a row goes in here: when it is told, so is the step
Execute = Callable[[str], None]


@dataclass
class History:
    """One database under record. rows: what a table holds, as texts that a cast to the mirror's types understands."""

    schema: str
    tables: tuple[str, ...]
    before: tuple[Step, ...]
    live: tuple[Step, ...]
    execute: Execute
    rows: Callable[[str], dict[str, Any]]
    versions: dict[str, str]
    statements: list[str] = field(default_factory=list)

    def run(self, step: Step) -> None:
        """Do it, and write down what was done."""
        for statement in step.statements:
            several = [statement] if isinstance(statement, str) else ["BEGIN", *statement, "COMMIT"]
            if several[-2:] == ["ROLLBACK", "COMMIT"]:
                several.pop()
            for text in several:
                self.execute(text)
            self.statements.append("; ".join(several))


class Tape:
    """The file, and how far the topic has been written down in it."""

    def __init__(self, file: TextIO, bootstrap: str, topic: str, trace: Callable[[], str]) -> None:
        self._file, self.trace = file, trace
        self._tables: object = None
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": "tape", "enable.auto.commit": False,
            "isolation.level": "read_committed",
        })  # fmt: skip
        self._consumer.assign([TopicPartition(topic, 0, 0)])

    def write(self, line: dict[str, Any]) -> None:
        """One line."""
        self._file.write(orjson.dumps(line).decode() + "\n")

    def tables(self, database: Database, names: tuple[tuple[str, str], ...]) -> None:
        """What the catalogue says, where that is new."""
        found = [{**asdict(one.relation), "complete": one.complete} for one in database.shapes(names).values()]
        if found != self._tables:
            self._tables = found
            self.write({"tables": found})

    def until(self, what: str, told: Callable[[str], bool]) -> None:
        """Write records down until one is it."""
        end = time.monotonic() + 45
        while time.monotonic() < end:
            message = self._consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            value, headers = message.value(), message.headers() or []
            self.write({
                "offset": message.offset(), "key": _text(message.key()), "value": _text(value),
                "headers": [[name, _text(data)] for name, data in headers],
            })  # fmt: skip
            if value is not None and told(value.decode()):
                return
        raise AssertionError(f"waited in vain until {what} was told: {self.trace()[-4000:]}")

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


def record(
    name: str, history: History, source: Any, dsn: str, connectors: Connectors, properties: dict[str, str]
) -> None:
    """Live the history with a connector that listens, and write down what it says."""
    history.run(Step("make", (f"CREATE TABLE {MARKS} (n int PRIMARY KEY)", _SIGNALS)))
    for step in history.before:
        history.run(step)
    tables = tuple((history.schema, table) for table in (*history.tables, "unmapped", MARKS))
    config = rendered(name, source, source.connector, tables) | properties
    database = open_database(source.database, dsn)
    file = RECORDINGS / f"{name}.jsonl"
    connectors.put(config["name"], config)
    await_metadata(source.kafka.bootstrap_servers, source.topic)
    with file.with_suffix(".part").open("w") as part:
        tape = Tape(part, source.kafka.bootstrap_servers, source.topic, lambda: connectors.trace(config["name"]))
        try:
            tape.tables(database, tables)
            tape.until("the snapshot", lambda v: '"COMPLETED"' in v)
            for number, step in enumerate(history.live):
                if step.restart:
                    connectors.stop(config["name"])
                    connectors.call("PUT", f"/connectors/{config['name']}/resume")
                    connectors.await_running(config["name"])
                history.run(step)
                tape.tables(database, tables)
                if "snapshot" in step.name:
                    tape.until(step.name, lambda v: '"COMPLETED"' in v)
                history.run(Step("mark", (f"INSERT INTO {MARKS} VALUES ({number})",)))
                tape.until(step.name, lambda v, n=number: _is_mark(v, n))
            tape.until("a heartbeat", lambda v: _payload(v).keys() == {"ts_ms"})
            for table in history.tables:
                tape.write({"rows": table, **history.rows(table)})
        finally:
            tape.close()
            database.close()
    about = {"recorded": name, "schema": history.schema, "versions": history.versions, "settings": config,
             "captured": list(history.tables), "statements": history.statements}  # fmt: skip
    text = file.with_suffix(".part").read_text()
    file.write_text(orjson.dumps({"about": about}).decode() + "\n" + text)
    file.with_suffix(".part").unlink()
    connectors.delete(config["name"])


_SIGNALS = "CREATE TABLE signals (id varchar(64) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))"


def _payload(value: str) -> dict[str, Any]:
    found = orjson.loads(value)
    payload: dict[str, Any] = found.get("payload", found)
    return payload


def _is_mark(value: str, number: int) -> bool:
    payload = _payload(value)
    return bool(payload.get("op") == "c" and payload["source"]["table"] == MARKS and payload["after"]["n"] == number)


def _text(data: object) -> str | None:
    return None if data is None else data.decode() if isinstance(data, bytes) else str(data)


# ---------------------------------------------------------------------------------------------------- databases


@contextmanager
def postgres(server: embedded.EmbeddedServer, name: str) -> Iterator[tuple[History, str]]:
    """A database of its own on the server."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    dsn = server.dsn_of(name)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        version = str(conn.execute("SELECT version()").fetchone()).split()[1]

        def rows(table: str) -> dict[str, Any]:
            columns = [c.name for c in conn.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]
            found = conn.execute(f"SELECT {', '.join(f'{c}::text' for c in columns)} FROM {table}").fetchall()
            return {"columns": columns, "values": [list(row) for row in found]}

        yield History(
            "public", histories.POSTGRES_TABLES, histories.POSTGRES, histories.POSTGRES_LIVE,
            lambda text: conn.execute(text.encode()) and None, rows, {"postgresql": version},
        ), dsn  # fmt: skip


@contextmanager
def mariadb(server: MariaDb, name: str) -> Iterator[tuple[History, str]]:
    """A database of its own on the server."""
    server.create_database(name)
    with server.connect(server.admin, "mysql") as conn, conn.cursor() as cursor:  # incremental snapshots write their watermarks
        cursor.execute(f"GRANT INSERT ON `{name}`.* TO connector@'127.0.0.1'")
    with server.connect(database=name) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = cursor.fetchall()[0][0]

        def rows(table: str) -> dict[str, Any]:
            cursor.execute(
                "SELECT column_name, data_type, numeric_precision FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position", (table,),
            )  # fmt: skip
            columns = {str(c): _printed(str(c), str(kind), n) for c, kind, n in cursor.fetchall()}
            cursor.execute(f"SELECT {', '.join(columns.values())} FROM {table}")
            return {"columns": list(columns), "values": [list(row) for row in cursor.fetchall()]}

        live = tuple(s._replace(statements=tuple(_filled(t, name) for t in s.statements)) for s in histories.MARIADB_LIVE)
        yield History(
            name, histories.MARIADB_TABLES, histories.MARIADB, live, lambda text: cursor.execute(text) and None, rows,
            {"mariadb": str(version)},
        ), server.dsn(server.connector, name)  # fmt: skip


def _filled(statement: str | list[str], database: str) -> str | list[str]:
    return statement.format(database=database) if isinstance(statement, str) and "{database}" in statement else statement


def _printed(column: str, kind: str, length: int | None) -> str:
    name = f"`{column}`"
    if kind.endswith(("binary", "blob")):
        return f"CONCAT('\\\\x', LOWER(HEX({name})))"
    if kind == "bit":
        return f"LPAD(BIN({name}), {length}, '0')"
    if kind == "timestamp":
        return f"CONCAT({name}, '+00')"
    return f"CAST({name} * 1e0 AS CHAR)" if kind == "float" else f"CAST({name} AS CHAR)"


def main(names: list[str]) -> int:
    """Record what is named."""
    wanted = names or ["postgres", "postgres_schemas", "mariadb"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coexist-record-")))
        folder.chmod(0o755)
        broker = stack.enter_context(Broker(folder / "kafka"))
        my = MariaDb(folder / "mariadb")
        pg = embedded.start(folder / "pg", settings={"fsync": "off", "max_replication_slots": "10", "max_wal_senders": "10"})
        stack.callback(pg.stop, "immediate")
        environment = {"POSTGRES_PASSWORD": pg.password, "MARIADB_PASSWORD": my.connector.password}
        worker = stack.enter_context(Worker(folder / "connect", broker.bootstrap, environment=environment))
        connectors = Connectors(worker.url)
        for name in wanted:
            if name == "mariadb":
                stack.enter_context(my)
                with mariadb(my, "recorded") as (history, dsn):
                    _record(name, history, mariadb_source(broker.bootstrap, my, "recorded", 4242), dsn, connectors)
            else:
                with postgres(pg, f"recorded_{name}") as (history, dsn):
                    if name != "postgres":
                        history.live = tuple(step for step in history.live if step.name in histories.WITH_SCHEMAS)
                    _record(name, history, postgres_source(broker.bootstrap, dsn), dsn, connectors)
            wait_until(f"{name} is written", (RECORDINGS / f"{name}.jsonl").exists)
    return 0


def _record(name: str, history: History, source: Any, dsn: str, connectors: Connectors) -> None:
    plugins = {p["class"].rpartition(".")[2]: p["version"] for p in connectors.call("GET", "/connector-plugins")[1]}
    worker = connectors.call("GET", "/")[1]["version"]
    chosen = "MariaDbConnector" if name == "mariadb" else "PostgresConnector"
    history.versions |= {"kafka": worker, "debezium": plugins[chosen]}
    signals = f"{history.schema}.signals"
    connector = source.connector.model_copy(update={"signal_table": signals, "heartbeat_seconds": 2.0})
    properties = {f"{part}.converter.schemas.enable": "true" for part in ("key", "value")} if name.endswith("_schemas") else {}
    if name == "mariadb":  # its connector's heart beats only when the server's does
        properties["connect.keep.alive.interval.ms"] = "2000"
    record(name, history, source.model_copy(update={"connector": connector}), dsn, connectors, properties)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
