"""A whole estate of a test's own: legacy database, store, ERP sandbox, and the real agent as a process.

Everything listens on free loopback ports and lives in temporary directories; every process is ended by its own pid.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psycopg
import yaml

from agent.operations.books import Books, books
from agent.operations.exceptions import ExceptionRow, list_exceptions, replay
from agent.store.embedded import free_port
from sandbox.compare import Comparison, compare
from sandbox.legacy.book import Size, create, load
from tests.support.processes import Process, wait_until
from tests.support.servers import Server
from tests.support.standing import STANDING, Quiet, Standing

AGENT = (sys.executable, "-c", "from agent.cli import main; main()")
T = TypeVar("T")

TENANT = "contoso-test"
SECRET = "an estate's own secret"


class Servers:
    """The two PostgreSQL servers of an estate. Several estates, one after the other, may use the same pair."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path(tempfile.mkdtemp(prefix="coexist-estate-pg-"))
        self._root.chmod(0o755)
        self.source = Server(self._root / "source")
        self.store = Server(self._root / "store")

    def remove(self) -> None:
        """Stop both and forget their data."""
        for server in (self.source, self.store):
            server.remove()
        shutil.rmtree(self._root, ignore_errors=True)


class Estate:
    """`with Estate(servers, seed=1) as estate:` a loaded legacy book, an empty store, a running ERP; no agent yet.

    settings: laid over the configuration, key by key. erp: further arguments of `python -m sandbox.erp`.
    """

    def __init__(
        self, servers: Servers, *, seed: int = 1, size: str | Size = "tiny",
        settings: Mapping[str, Any] | None = None, erp: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.servers = servers
        self.directory = Path(tempfile.mkdtemp(prefix="coexist-estate-"))
        self.source_dsn = servers.source.new_database("legacy")
        self.store_dsn = servers.store.new_database("store")
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            create(conn)
            self.rows = load(conn, seed=seed, size=size)
        self.record = self.directory / "erp.sqlite"
        self.http_port = free_port()
        self._env = {
            "ESTATE_SOURCE": self.source_dsn,
            "ESTATE_STORE": self.store_dsn,
            "ESTATE_SECRET": SECRET,
        }
        self._erp_arguments = tuple(erp)
        self.erp = self._start_erp(0)
        self.erp_url = self._url_of(self.erp)
        self.config = self.directory / "coexist.yaml"
        self.config.write_text(yaml.safe_dump(_overlaid(self._settings(), settings or {})))
        self.agent: Process | None = None

    def __enter__(self) -> Estate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End agent and ERP, drop the databases, remove the files."""
        for process in (self.agent, self.erp):
            if process is not None:
                process.end()
        self.servers.source.drop(self.source_dsn)
        self.servers.store.drop(self.store_dsn)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------ the ERP

    def _start_erp(self, port: int) -> Process:
        command = [
            sys.executable, "-m", "sandbox.erp", "--port", str(port), "--record", str(self.record),
            "--tenant", TENANT, "--client-id", "coexist-test", "--secret-env", "ESTATE_SECRET", *self._erp_arguments,
        ]  # fmt: skip
        return Process(command, self.directory / "erp.log", self._env)

    def _url_of(self, erp: Process) -> str:
        wait_until("the ERP is up", lambda: b"\n" in erp.out.read_bytes() or erp.exit_code is not None)
        assert erp.exit_code is None, erp.stderr()
        return str(json.loads(erp.out.read_text().splitlines()[0])["url"])

    # ------------------------------------------------------------------------------------------------ the agent

    def start(self, failpoint: str | None = None, entry: Sequence[str] = AGENT) -> Process:
        """Start the agent as an operator does. failpoint: `name[:count]` at which it shall die."""
        assert self.agent is None or self.agent.exit_code is not None, "an agent runs already"
        env = {**self._env, "COEXIST_FAILPOINT": failpoint or ""}
        command = [*entry, "--config", str(self.config), "run"]
        self.agent = Process(command, self.directory / "agent.log", env)
        return self.agent

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; returns the exit code of the drained agent."""
        assert self.agent is not None, "no agent"
        self.agent.terminate()
        return self.agent.wait_exit(seconds)

    # ------------------------------------------------------------------------------------------------ looking

    def standing(self) -> Standing | None:
        """How far the line is; None while the store or its schema is not there."""
        try:
            with psycopg.connect(self.store_dsn, autocommit=True, connect_timeout=5) as conn:
                row = conn.execute(STANDING).fetchone()
        except psycopg.Error:
            return None
        return Standing(*row) if row else None

    def wait_until_drained(self, seconds: float = 60.0) -> None:
        """Until everything committed in the source before this call has its outcome at the ERP.

        Commands that wait behind an open exception count as drained once nothing else moves.
        """
        quiet = Quiet(self._mark())

        def drained() -> bool:
            self.alive()
            return quiet.holds(self.standing())

        try:
            wait_until("the line is drained", drained, seconds, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}: {quiet.last}\n{self.waiting()}\n{self.tail()}") from None

    def _mark(self) -> int:
        """An update that changes nothing, committed after a position that is returned."""
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
            conn.execute(
                "UPDATE fin.arcust SET cust_no = cust_no WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)"
            )
        assert row is not None
        return int(row[0])

    def alive(self) -> None:
        """AssertionError with its last words when the agent has ended."""
        assert self.agent is not None, "no agent"
        code = self.agent.exit_code
        assert code is None, f"the agent ended with {code}:\n{self.tail()}"

    def tail(self) -> str:
        """The end of what the agent said."""
        return self.agent.stderr()[-3000:] if self.agent is not None else ""

    def compare(self) -> Comparison:
        """Both sides from their own records."""
        return compare(self.source_dsn, self.record)

    def books(self) -> Books:
        """The agent's three ledgers, now."""
        return self.ask(books)

    def exceptions(self) -> tuple[ExceptionRow, ...]:
        """What is open and needs a person."""
        return self.ask(lambda conn: list_exceptions(conn, limit=1000))

    def outcomes(self) -> int | None:
        """Calls that were answered so far; None while the store cannot be asked."""
        standing = self.standing()
        return standing.outcomes if standing is not None else None

    def waiting(self) -> list[tuple[Any, ...]]:
        """Commands that have not ended, by object, state and reason."""
        try:
            return self.ask(lambda conn: conn.execute(
                "SELECT object, kind, state, reason, count(*) FROM coexist.command"
                " WHERE state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked') GROUP BY 1, 2, 3, 4 LIMIT 20"
            ).fetchall())  # fmt: skip
        except psycopg.Error as error:
            return [(str(error),)]

    def replay(self, exception: ExceptionRow, reason: str) -> None:
        """What an operator does after having looked at the ERP."""
        self.ask(lambda conn: replay(conn, exception.exception_id, actor="test", reason=reason))

    def ask(self, question: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Answer a question by the store."""
        with psycopg.connect(self.store_dsn, autocommit=True) as conn:
            return question(conn)

    # ------------------------------------------------------------------------------------------------ configuration

    def _settings(self) -> dict[str, Any]:
        """A short life for leases and unknown outcomes, small slices, small requests: many moments to die at."""
        return {
            "use": ["finance"],
            "store": {"dsn": {"env": "ESTATE_STORE"}},
            "sources": {"finance": {
                "dsn": {"env": "ESTATE_SOURCE"}, "slot": f"coexist_{self.http_port}", "max_slice_rows": 64,
            }},
            "targets": {"erp": {
                "profile": "d365fo", "base_url": self.erp_url, "tenant": TENANT,
                "auth": {
                    "token_url": f"{self.erp_url}/{TENANT}/oauth2/v2.0/token", "client_id": "coexist-test",
                    "client_secret": {"env": "ESTATE_SECRET"}, "scope": f"{self.erp_url}/.default",
                },
                # Tests change all customers of a small book at once; where the brake is meant, it is set.
                "brake": {"records": 100_000, "share": 1.0},
                "legal_entities": {"US01": "usmf", "DE01": "demf", "GB01": "gbsi"},
                "objects": {
                    "customer": {"mode": "live"}, "customer_account": {"mode": "live"},
                    "invoice": {"mode": "live", "historical": "load"},
                    "payment": {"mode": "live", "historical": "load"},
                },
                "limits": {
                    "concurrency": 4, "batch": 20, "operations": 200, "timeout_seconds": 5, "longest_processing_seconds": 1,
                },
            }},
            "agent": {
                "batch_rows": 256, "slice_entities": 256, "lease_seconds": 3,
                "http": {"host": "127.0.0.1", "port": self.http_port},
            },
        }  # fmt: skip


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        old = found.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[name] = _overlaid(old, value) if both else value  # type: ignore[arg-type]
    return found
