"""A MariaDB of the tests' own, in a directory of its own, with a binary log as capture needs it."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from sandbox.psa.connect import Connection, connect
from tests.support.processes import wait_until

_numbers = itertools.count(1)
_LOG = ("--log-bin", "--binlog-format=ROW", "--binlog-row-image=FULL", "--server-id=7", "--gtid-domain-id=3")


class MariaDbServer:
    """One mariadbd; its root has no password and it listens on loopback."""

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        self._directory, self._options = directory, options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={self._directory / 'data'}", "--bind-address=127.0.0.1",
            f"--port={self.port}", f"--socket={self._directory / 's'}", "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", *self._options,
        ]  # fmt: skip
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until("MariaDB answers", self._answers)

    def stop(self) -> None:
        """End it; its data stay."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def dsn(self, database: str, user: str = "root", password: str = "") -> str:
        """URL of one of its databases."""
        return f"mysql://{user}{':' + password if password else ''}@127.0.0.1:{self.port}/{database}"

    def new_database(self, prefix: str = "psa") -> str:
        """Name of a new empty database."""
        name = f"{prefix}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def execute(self, *statements: str) -> None:
        """Statements as root."""
        conn = connect(self.dsn("mysql"), autocommit=True)
        try:
            with conn.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            conn.close()

    def open(self, database: str) -> Connection:
        """A connection as root."""
        return connect(self.dsn(database), autocommit=True)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.Error:
            return False
        return True


@contextmanager
def mariadb_server(*options: str) -> Iterator[MariaDbServer]:
    """A fresh server, removed afterwards. options: for mariadbd, after those of the binary log."""
    directory = Path(tempfile.mkdtemp(prefix="coexist-test-mariadb-"))
    try:
        shutil.chown(directory, "mysql")
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={directory / 'data'}",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, capture_output=True,
        )  # fmt: skip
        server = MariaDbServer(directory, (*_LOG, *options))
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
