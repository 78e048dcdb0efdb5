"""The demo's estate: legacy PostgreSQL, ERP sandbox, store and agent, on free loopback ports in one directory."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import yaml

from agent.cli.demo.interrupts import Interrupts
from agent.cli.demo.processes import Child
from agent.cli.demo.view import View
from agent.errors import CoexistError
from agent.store import embedded
from agent.store.connect import Store, open_store
from cdc_config.loader import EXAMPLE, load_config
from sandbox.legacy.book import create, load

_TENANT = "contoso-test"
_DATABASE = "finance"
_SOURCE_SETTINGS = {"shared_buffers": "'64MB'", "max_wal_size": "'512MB'"}
_STORE_SETTINGS = {"shared_buffers": "'128MB'", "max_wal_size": "'1GB'"}


class Estate:
    """`with Estate(interrupts) as estate:` an empty directory; what is started in it is ended at the end.

    directory: one that was kept, to be looked at again with `reopen`.
    """

    def __init__(self, interrupts: Interrupts, *, keep: bool = False, directory: Path | None = None) -> None:
        self._interrupts = interrupts
        self._keep = keep
        self._secret = secrets.token_hex(16)
        self._source: embedded.EmbeddedServer | None = None
        self._store: Store | None = None
        self._erp: Child | None = None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="coexist-demo-"))
        if os.geteuid() == 0:
            self.directory.chmod(
                0o711
            )  # the servers run as nobody and must get through to their own directories
        self.record = self.directory / "erp.sqlite"
        self.config = self.directory / "coexist.yaml"
        self.erp_url = ""
        self.source_dsn = ""
        self.agent: Child | None = None
        self.view: View | None = None

    def __enter__(self) -> Estate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._interrupts.held(swallow=True):
            for child in (self.agent, self._erp):
                if child is not None:
                    child.terminate()
            if self.view is not None:
                self.view.close()
            if self._store is not None:
                self._store.close()
            if self._source is not None:
                self._source.stop()
            if not self._keep:
                shutil.rmtree(self.directory, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------ starting

    def start_source(self, seed: int) -> int:
        """The legacy finance database with its book; returns how many rows it has."""
        with self._interrupts.held():
            self._source = embedded.EmbeddedServer(self.directory / "legacy", 0, "")
            self._source = embedded.start(self.directory / "legacy", settings=_SOURCE_SETTINGS)
        with psycopg.connect(self._source.dsn, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {_DATABASE}")
        self.source_dsn = self._source.dsn_of(_DATABASE)
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            create(conn)
            return sum(load(conn, seed=seed, size="small").values())

    def reopen(self) -> None:
        """The servers of a kept directory as they were left; neither agent nor ERP."""
        with self._interrupts.held():
            self._source = embedded.start(self.directory / "legacy")
            self.source_dsn = self._source.dsn_of(_DATABASE)
            self._open()

    def start_erp(self) -> int:
        """The ERP sandbox; returns its process id."""
        command = [
            sys.executable, "-m", "sandbox.erp", "--port", "0", "--record", str(self.record), "--tenant", _TENANT,
            "--client-id", "coexist-test", "--secret-env", "COEXIST_ERP_SECRET",
        ]  # fmt: skip
        with self._interrupts.held():
            self._erp = Child("erp", command, self.directory, {"COEXIST_ERP_SECRET": self._secret})
        deadline = time.monotonic() + 30
        while b"\n" not in self._erp.out.read_bytes():
            if self._erp.exit_code is not None or time.monotonic() > deadline:
                raise CoexistError("the ERP sandbox did not start", remedy=self._erp.tail())
            time.sleep(0.05)
        self.erp_url = str(json.loads(self._erp.out.read_text().splitlines()[0])["url"])
        return self._erp.pid

    def open_store(self) -> None:
        """Write the configuration and start the agent's store, which we hold, so that it outlives a killed agent."""
        self._write_config()
        with self._interrupts.held():
            self._open()

    def _open(self) -> None:
        self._store = open_store(load_config(self.config), self.directory)
        self.view = View(self._store.dsn, self.source_dsn)

    def start_agent(self) -> Child:
        """The real agent, through the real command line."""
        env = {"COEXIST_FINANCE_DSN": self.source_dsn, "COEXIST_ERP_SECRET": self._secret}
        command = [*coexist(), "--config", str(self.config), "run", "--log-format", "json"]
        with self._interrupts.held():
            self.agent = Child("agent", command, self.directory, env)
        return self.agent

    def _settings(self) -> dict[str, Any]:
        """What is the demo's own in the shipped example."""
        settings: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
        return settings

    def _write_config(self) -> None:
        settings = self._settings()
        settings["store"] = {"embedded": {"directory": "store", "settings": _STORE_SETTINGS}}
        settings["agent"]["http"]["port"] = embedded.free_port()
        erp = settings["targets"]["erp"]
        erp["base_url"] = self.erp_url
        erp["auth"]["token_url"] = f"{self.erp_url}/{_TENANT}/oauth2/v2.0/token"
        erp["auth"]["scope"] = f"{self.erp_url}/.default"
        # The sandbox never works longer on a request than this, so an unknown outcome may be asked about that soon.
        erp["limits"] = {"timeout_seconds": 5, "longest_processing_seconds": 2}
        self.config.write_text(
            "# Written by `coexist demo` from the shipped example.\n"
            + yaml.safe_dump(settings, sort_keys=False)
        )

    # ------------------------------------------------------------------------------------------------ the ERP's faults

    def fault(self, kind: str, *, count: int = 1, seconds: float = 1.0) -> None:
        """Have the ERP do the work of the next writes, and then not answer (drop_after) or answer late (stall)."""
        match = {"method": "POST|PATCH", "path": "^/data/"}
        self._control("POST", {"kind": kind, "match": match, "count": count, "seconds": seconds})

    def faults_fired(self) -> int:
        """Writes that met a fault since the last `mend`."""
        return sum(int(fault["fired"]) for fault in self._control("GET")["faults"])

    def mend(self) -> None:
        """From now on it works again."""
        self._control("DELETE")

    def _control(self, method: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.erp_url}/_control/faults", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def coexist() -> list[str]:
    """The installed command, else the same by module."""
    script = Path(sys.executable).with_name("coexist")
    return [str(script)] if script.exists() else [sys.executable, "-c", "from agent.cli import main; main()"]
