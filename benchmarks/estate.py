"""A benchmark's estate: source and store servers, a loaded book, the ERP sandbox, and the agent as a real process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import yaml

from agent.operations import targets
from agent.store import embedded
from benchmarks.processes import Child, Impossible, cpu_seconds, wait_until
from sandbox.legacy.book import Size, create, load

TENANT = "contoso-test"
TARGET = "erp"
EXAMPLE = Path(__file__).parents[1] / "cdc_config" / "defaults" / "coexist.example.yaml"
AGENT = (sys.executable, "-c", "from agent.cli import main; main()")
_SENDER = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'coexist' AND active"
_DERIVED = """
    SELECT s.position > %s AND s.last_txn = d.txn_no AND d.baseline_done
           AND NOT EXISTS (SELECT 1 FROM coexist.dirty)
    FROM coexist.stream s JOIN coexist.derive_position d USING (stream_id)"""
# Asked twenty times a second beside what is measured, so each part is a look into an index: a command is in flight while
# its request is open.
_QUIET = """
    SELECT bool_and(
        t.baseline_done
        AND NOT EXISTS (SELECT 1 FROM coexist.request q WHERE q.target = t.target AND q.closed_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM coexist.command c WHERE c.target = t.target AND c.state = 'unknown')
        AND NOT EXISTS (SELECT 1 FROM coexist.command c
                        WHERE c.target = t.target AND c.state = 'waiting' AND c.blocked_on IS NULL))
    FROM coexist.target t"""


class Estate:
    """Everything a benchmark needs, on this machine, in a temporary directory. Use as a context manager."""

    derived: LiteralString = _DERIVED

    def __init__(self, size: str | Size, *, seed: int = 1) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="coexist-bench-"))
        self.directory.chmod(0o755)
        self.source = embedded.start(self.directory / "source")
        self.store = embedded.start(self.directory / "store", settings={"track_commit_timestamp": "on"})
        self.source_dsn, self.store_dsn = _database(self.source, "legacy"), _database(self.store, "coexist")
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            create(conn)
            self.rows = sum(load(conn, seed=seed, size=size).values())
            conn.execute("VACUUM ANALYZE")
            conn.execute("CHECKPOINT")
        self.record = self.directory / "erp.sqlite"
        self._env = {"BENCH_SOURCE": self.source_dsn, "BENCH_STORE": self.store_dsn, "BENCH_SECRET": "bench"}
        self.erp = self._start_erp()
        self.erp_url = str(json.loads(self.erp.out.read_text().splitlines()[0])["url"])
        self.config = self.directory / "coexist.yaml"
        self.agent: Child | None = None

    def __enter__(self) -> Estate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process, remove every file."""
        if self.agent is not None:
            self.agent.stop()
        self.erp.stop()
        for server in (self.source, self.store):
            server.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------ the ERP

    def _start_erp(self) -> Child:
        erp = Child((
            sys.executable, "-m", "sandbox.erp", "--record", str(self.record), "--tenant", TENANT,
            "--client-id", "coexist-test", "--secret-env", "BENCH_SECRET",
        ), self.directory / "erp.log", self._env)  # fmt: skip
        wait_until("the ERP is up", lambda: b"\n" in erp.out.read_bytes() or erp.exit_code is not None, 30)
        erp.must_run()
        return erp

    def erp_setting(self, **settings: Any) -> None:
        """Change the sandbox while it runs, such as latency_ms=20."""
        request = urllib.request.Request(f"{self.erp_url}/_control/settings", json.dumps(settings).encode())
        with urllib.request.urlopen(request) as answer:
            answer.read()

    @contextmanager
    def erp_record(self) -> Iterator[sqlite3.Connection]:
        """The sandbox's own record, to be read."""
        conn = sqlite3.connect(f"file:{self.record}?mode=ro", uri=True)
        try:
            yield conn
        finally:
            conn.close()

    def arrivals(self) -> int:
        """Number of the last write that arrived."""
        with self.erp_record() as record:
            return int(record.execute("SELECT coalesce(max(id), 0) FROM arrival").fetchone()[0])

    def accepted_since(self, arrival: int) -> list[float]:
        """When the writes after that one were accepted, in order of arrival."""
        with self.erp_record() as record:
            query = "SELECT at FROM arrival WHERE id > ? AND accepted = 1 ORDER BY id"
            return [row[0] for row in record.execute(query, (arrival,))]

    # ------------------------------------------------------------------------------------------------ the agent

    def start(self, *, limits: Mapping[str, Any] | None = None) -> Child:
        """The agent, with the shipped configuration; limits: of the target, instead of the profile's."""
        self.write_config(limits)
        self.agent = Child(
            [*AGENT, "--config", str(self.config), "run"], self.directory / "agent.log", self._env
        )
        return self.agent

    def sources(self) -> dict[str, Any]:
        """The block `sources` of the configuration."""
        settings: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())["sources"]
        settings["finance"]["dsn"] = {"env": "BENCH_SOURCE"}
        return settings

    def agent_settings(self) -> dict[str, Any]:
        """The block `agent` of the configuration."""
        return {"http": {"host": "127.0.0.1", "port": embedded.free_port()}}

    def write_config(self, limits: Mapping[str, Any] | None = None) -> None:
        """The shipped configuration, with this estate's addresses."""
        settings: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
        settings["store"] = {"dsn": {"env": "BENCH_STORE"}}
        settings["sources"] = self.sources()
        target = settings["targets"][TARGET]
        target["base_url"] = self.erp_url
        target["auth"] |= {
            "token_url": f"{self.erp_url}/{TENANT}/oauth2/v2.0/token", "scope": f"{self.erp_url}/.default",
            "client_secret": {"env": "BENCH_SECRET"},
        }  # fmt: skip
        if limits:
            target["limits"] = dict(limits)
        settings["agent"] = self.agent_settings()
        self.config.write_text(yaml.safe_dump(settings))

    def stop(self) -> None:
        """Let the agent drain and end."""
        if self.agent is not None:
            self.agent.stop()
            self.agent = None

    def running(self) -> Child:
        """The agent. Raises Impossible when it is not there."""
        if self.agent is None:
            raise Impossible("no agent")
        self.agent.must_run()
        return self.agent

    def set_paused(self, paused: bool) -> None:
        """Stop or release all writes to the target, as an operator does."""
        with self.ask() as conn:
            act = targets.pause if paused else targets.resume
            act(conn, TARGET, actor="benchmark", reason="benchmark")

    @contextmanager
    def ask(self) -> Iterator[psycopg.Connection[Any]]:
        """The store."""
        with psycopg.connect(self.store_dsn, autocommit=True) as conn:
            yield conn

    # ------------------------------------------------------------------------------------------------ waiting

    def mark(self) -> int:
        """A position of the source, followed by a transaction that changes nothing."""
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
            conn.execute(
                "UPDATE fin.arcust SET nm = nm WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)"
            )
        assert row is not None
        return int(row[0])

    def wait_derived(self, mark: int, seconds: float = 600, every: float = 0.02) -> None:
        """Until everything before `mark` is captured, derived and decided."""
        with psycopg.connect(self.store_dsn, autocommit=True) as conn:
            wait_until("the line has derived everything", lambda: self._yes(conn, self.derived, mark), seconds, every)

    def wait_applied(self, seconds: float = 600, every: float = 0.05) -> None:
        """Until nothing is claimable or in flight."""
        with psycopg.connect(self.store_dsn, autocommit=True) as conn:
            wait_until("the outbox is empty", lambda: self._yes(conn, _QUIET), seconds, every)

    def settle(self, seconds: float = 900) -> None:
        """Derived, applied, and the servers at rest: where a clock may start."""
        self.wait_derived(self.mark(), seconds)
        self.wait_applied(seconds)
        for dsn in (self.source_dsn, self.store_dsn):
            with psycopg.connect(dsn, autocommit=True) as conn:
                conn.execute("VACUUM ANALYZE" if dsn is self.store_dsn else "ANALYZE")
                conn.execute("CHECKPOINT")

    def _yes(self, conn: psycopg.Connection[Any], query: Any, *params: Any) -> bool:
        self.running()
        try:
            row = conn.execute(query, params).fetchone()
        except psycopg.errors.UndefinedTable:
            return False
        return bool(row and row[0])

    @contextmanager
    def sender_held(self) -> Iterator[None]:
        """Changes committed inside stay in the source's WAL; they begin to flow when the block ends.

        The walsender stands still (SIGSTOP), so that the agent is warm and nothing is decoded or buffered ahead.
        """
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            row = wait_until("the agent follows the source", lambda: conn.execute(_SENDER).fetchone(), 60)
        assert row is not None
        os.kill(row[0], signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(row[0], signal.SIGCONT)

    @property
    def environment(self) -> dict[str, str]:
        """What a child of a benchmark needs to know."""
        return {**os.environ, **self._env}

    # ------------------------------------------------------------------------------------------------ counting

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far: agent, source, store, erp."""
        servers = {"source": self.source.postmaster_pid(), "store": self.store.postmaster_pid()}
        roots = {"agent": self.running().pid, "erp": self.erp.pid} | {n: p for n, p in servers.items() if p}
        return {name: cpu_seconds([pid]) for name, pid in roots.items()}


def _database(server: embedded.EmbeddedServer, name: str) -> str:
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    return server.dsn_of(name)
