"""The firm's estate: two legacy databases, Kafka and Connect, ERP sandbox, store and replicas, on free loopback ports."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any

import psycopg
import yaml

from agent.cli.demo.estate import Estate, coexist
from agent.cli.demo.firm.view import FirmView
from agent.cli.demo.interrupts import Interrupts
from agent.cli.demo.processes import Child
from agent.cli.demo.report import Failed
from agent.store.embedded import free_port
from cdc_config.loader import EXAMPLE
from sandbox.legacy.book import create, load
from sandbox.psa import book as psa
from sandbox.psa.connect import connect as connect_psa
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from sandbox.stack.postgres import Postgres

SOURCES = ("finance", "psa")
_PSA_OBJECTS = {"project": {"mode": "live"}, "task": {"mode": "live"}, "time_entry": {"mode": "live"}}
_APPLY_SECONDS = 120


class Firm(Estate):
    """`with Firm(interrupts) as firm:` an empty directory; what is started in it is ended at the end, the newest first."""

    def __init__(self, interrupts: Interrupts, *, keep: bool = False) -> None:
        super().__init__(interrupts, keep=keep)
        if os.geteuid() == 0:
            self.directory.chmod(0o755)
        self._ending = ExitStack()
        self.finance = Postgres(self.directory / "finance")
        self.psa = MariaDb(self.directory / "psa")
        self.broker = Broker(self.directory / "kafka")
        self.worker = Worker(self.directory / "connect", self.broker.bootstrap, environment={
            "FINANCE_PASSWORD": self.finance.password, "PSA_PASSWORD": self.psa.connector.password,
        })  # fmt: skip
        self.replicas: list[Child] = []
        self.firm_view: FirmView | None = None

    def __enter__(self) -> Firm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._interrupts.held(swallow=True):
            for replica in self.replicas:
                replica.terminate()
            if self.firm_view is not None:
                self.firm_view.close()
            self._ending.close()
        super().__exit__(kind, error, trace)

    @property
    def psa_dsn(self) -> str:
        """The PSA database, for whoever works in it."""
        return self.psa.dsn()

    # ------------------------------------------------------------------------------------------------ starting

    def start_databases(self, seed: int) -> tuple[int, int]:
        """Both legacy databases with their books; how many rows each has."""
        with self._interrupts.held():
            self._ending.enter_context(self.finance)
            self._ending.enter_context(self.psa)
        self.source_dsn = self.finance.create_database("finance")
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            create(conn)
            finance = sum(load(conn, seed=seed, size="small").values())
        with closing(connect_psa(self.psa_dsn, autocommit=True)) as conn:
            psa.create(conn)
            return finance, sum(psa.load(conn, seed=seed, size="small").values())

    def start_kafka(self) -> None:
        """The broker, then the worker with Debezium."""
        with self._interrupts.held():
            self._ending.enter_context(self.broker)
            self._ending.enter_context(self.worker)

    def open_store(self) -> None:
        """See Estate; with a view of both sources."""
        super().open_store()
        assert self._store is not None
        self.firm_view = FirmView(self._store.dsn, self.source_dsn, self.psa)

    def make_connectors(self) -> None:
        """Through the real command line. Raises Failed."""
        for source in SOURCES:
            done = subprocess.run(
                [*coexist(), "--config", str(self.config), "connect", "apply", source, "--yes", "--reason", "the demo"],
                env={**os.environ, **self._secrets()}, capture_output=True, text=True, timeout=_APPLY_SECONDS,
            )  # fmt: skip
            if done.returncode != 0:
                raise Failed(f"no connector for {source}: {done.stderr.strip()}")

    def start_replica(self) -> Child:
        """One agent more, through the real command line."""
        number = len(self.replicas) + 1
        settings = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        settings["agent"]["http"]["port"] = free_port()
        config = self.directory / f"replica{number}.yaml"
        config.write_text(yaml.safe_dump(settings, sort_keys=False))
        command = [*coexist(), "--config", str(config), "run", "--log-format", "json"]
        with self._interrupts.held():
            replica = Child(f"replica{number}", command, self.directory, self._secrets())
            self.replicas.append(replica)
        return replica

    def restart_kafka(self) -> None:
        """SIGKILL the broker, and start it again on its data. Not in order: the only broker of a cluster that is asked to stop
        may leave a transaction without an end for ever (docs/limits.md).
        """
        with self._interrupts.held():
            self.broker.kill()
            self.broker.start()

    def restart_worker(self) -> None:
        """After it was killed."""
        with self._interrupts.held():
            self.worker.start()

    def _secrets(self) -> dict[str, str]:
        return {
            "COEXIST_FINANCE_DSN": self.source_dsn, "COEXIST_PSA_DSN": self.psa.dsn(self.psa.connector),
            "COEXIST_ERP_SECRET": self._secret,
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------ configuration

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
        settings["use"] = [*settings["use"], "psa"]
        settings["sources"] = {
            "finance": self._through_kafka("postgres", "COEXIST_FINANCE_DSN") | {"connector": {
                "hostname": "127.0.0.1", "port": self.finance.port, "user": "coexist", "dbname": "finance",
                "password": "${env:FINANCE_PASSWORD}", "heartbeat_seconds": 1,
            }},
            "psa": self._through_kafka("mariadb", "COEXIST_PSA_DSN") | {"server_id": 7001, "connector": {
                "hostname": "127.0.0.1", "port": self.psa.port, "user": self.psa.connector.user,
                "password": "${env:PSA_PASSWORD}", "heartbeat_seconds": 1,
            }},
        }  # fmt: skip
        settings["targets"]["erp"]["objects"] |= _PSA_OBJECTS
        settings["agent"]["lease_seconds"] = 5
        return settings

    def _through_kafka(self, database: str, dsn: str) -> dict[str, Any]:
        return {
            "capture": "kafka", "database": database, "dsn": {"env": dsn}, "connect": {"url": self.worker.url},
            "kafka": {"bootstrap_servers": self.broker.bootstrap},
        }  # fmt: skip
