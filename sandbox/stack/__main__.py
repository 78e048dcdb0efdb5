"""`python -m sandbox.stack`: all of it on this machine, on free loopback ports, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from sandbox.stack.connect import Worker
from sandbox.stack.errors import StackError
from sandbox.stack.fetch import fetch
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from sandbox.stack.postgres import Postgres
from sandbox.stack.process import Server
from sandbox.stack.watch import Alertmanager, Prometheus

_LOOK_SECONDS = 0.5
_AGENT = "127.0.0.1:9464"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after Ctrl-C or SIGTERM, 1 when something could not start or ended by itself."""
    options = _options(arguments)
    ended = threading.Event()
    try:
        with ExitStack() as stack:
            stack.enter_context(_interruptible())
            directory = stack.enter_context(_folder(options.directory))
            running = _start(stack, directory, options.agent)
            print(json.dumps(running.addresses()) if options.json else running.text(), flush=True)
            while not ended.wait(_LOOK_SECONDS):
                running.check()
    except KeyboardInterrupt:
        return 0
    except StackError as problem:
        print(f"stack: {problem}", file=sys.stderr)
        return 1
    return 0


class Running:
    """The started servers, and what to tell about them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.broker = Broker(directory / "kafka")
        self.postgres = Postgres(directory / "postgres")
        self.mariadb = MariaDb(directory / "mariadb")
        passwords = {"POSTGRES_PASSWORD": self.postgres.password, "MARIADB_PASSWORD": self.mariadb.connector.password}
        self.worker = Worker(directory / "connect", self.broker.bootstrap, environment=passwords, metrics=True)
        self.alertmanager = Alertmanager(directory / "alertmanager")
        self.servers: list[Server] = [self.broker, self.postgres, self.mariadb, self.worker, self.alertmanager]
        self.secrets = directory / "stack.env"

    def watch(self, agents: Sequence[str]) -> Prometheus:
        """Prometheus over the worker and these agents; it is not started."""
        worker = self.worker.metrics_url.removeprefix("http://").removesuffix("/metrics")
        targets = {"coexist": list(agents), "connect": [worker]}
        self.prometheus = Prometheus(
            self.directory / "prometheus", alertmanager=self.alertmanager.address, targets=targets
        )
        self.servers.append(self.prometheus)
        return self.prometheus

    def write_secrets(self) -> None:
        """The passwords, for this user only: they are never printed."""
        self.secrets.touch(0o600)
        self.secrets.write_text(
            f"POSTGRES_DSN={self.postgres.dsn('finance')}\nPOSTGRES_PASSWORD={self.postgres.password}\n"
            f"MARIADB_DSN={self.mariadb.dsn()}\nMARIADB_READ_DSN={self.mariadb.dsn(self.mariadb.connector)}\n"
            f"MARIADB_PASSWORD={self.mariadb.connector.password}\n"
        )

    def check(self) -> None:
        """StackError when one of them ended."""
        for server in self.servers:
            if not server.running:
                raise StackError(f"{server.name} has ended", where=server.log, remedy=server.said()[-2000:])

    def addresses(self) -> dict[str, str | int]:
        """Where everything is."""
        return {
            "kafka": self.broker.bootstrap,
            "connect": self.worker.url,
            "connect_metrics": self.worker.metrics_url,
            "postgres": f"127.0.0.1:{self.postgres.port}",
            "mariadb": f"127.0.0.1:{self.mariadb.port}",
            "prometheus": self.prometheus.url,
            "alertmanager": self.alertmanager.url,
            "secrets": str(self.secrets),
            "directory": str(self.directory),
        }

    def text(self) -> str:
        """The same for people, and how to use it."""
        at = self.addresses()
        return f"""\
the native stack runs, Ctrl-C ends it (logs and data in {at["directory"]})

  Kafka         {at["kafka"]}   bootstrap.servers; topics are not made by themselves
  Connect       {at["connect"]}   GET /connectors; Debezium for PostgreSQL and MariaDB
                {at["connect_metrics"]}   its metrics, Debezium's among them
  PostgreSQL    {at["postgres"]}   user coexist, database finance, wal_level=logical
  MariaDB       {at["mariadb"]}   users owner (database psa), connector (reads all, and the binary log)
  Prometheus    {at["prometheus"]}   the worker, and an agent when it runs
  Alertmanager  {at["alertmanager"]}

  Passwords and DSNs are in {at["secrets"]}: `set -a; . {at["secrets"]}`.
  A connector names them as ${{env:POSTGRES_PASSWORD}} (user coexist) and ${{env:MARIADB_PASSWORD}} (user connector)."""


def _start(stack: ExitStack, directory: Path, agents: Sequence[str]) -> Running:
    fetch()
    running = Running(directory)
    prometheus = running.watch(agents or [_AGENT])
    for server in (running.postgres, running.mariadb, running.broker, running.worker, running.alertmanager, prometheus):
        print(f"stack: starting {server.name}", file=sys.stderr, flush=True)
        stack.callback(server.stop)
        server.start()
    with suppress(psycopg.errors.DuplicateDatabase):  # from a run before in this folder
        running.postgres.create_database("finance")
    running.write_secrets()
    return running


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """The chosen folder, which stays, or one of its own, which does not."""
    directory = chosen.absolute() if chosen else Path(tempfile.mkdtemp(prefix="coexist-stack-"))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(directory.stat().st_mode | 0o111)
    try:
        with (directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(
                    "a stack runs here already", where=directory, remedy="end it, or name another --directory"
                ) from None
            yield directory
    finally:
        if chosen is None:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends it like Ctrl-C; what comes while it is ending changes nothing."""
    ending = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    yield


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the addresses as one line of JSON")
    parser.add_argument("--directory", type=Path, help="keep data and ports here over runs; else all is gone at the end")
    parser.add_argument("--agent", action="append", help=f"host:port of an agent's metrics, repeatable (default {_AGENT})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
