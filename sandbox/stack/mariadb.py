"""One MariaDB server with the binary log that Debezium needs: TCP on loopback, an owner for data, a user for the connector."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from sandbox.stack import ports
from sandbox.stack.errors import StackError
from sandbox.stack.process import Server, check_passable
from sandbox.stack.tools import program

_INSTALL_SECONDS = 120
# The setup is one list of statements in a file; `%(password)s` is filled in by the driver.
_SETUP = Path(__file__).with_name("mariadb.sql")
_USERS = ("admin", "owner", "connector")


@dataclass(frozen=True)
class Account:
    """One user of the server."""

    user: str
    password: str = field(repr=False)


class MariaDb(Server):
    """`MariaDb(directory)`; `settings` are server variables laid over ours (underscores, without dashes in front).

    admin may do everything, owner everything in databases made by `create_database`, connector what Debezium is granted:
    it reads all.
    """

    name = "mariadb"
    user = "mysql"

    def __init__(self, directory: Path, *, settings: Mapping[str, object] | None = None, database: str = "psa") -> None:
        super().__init__(directory)
        self.database = database
        self._settings = dict(settings or {})
        self._ports = ports.kept(self.directory / "ports.json", ("sql",))
        self._passwords = self._stored_passwords()

    @property
    def port(self) -> int:
        """TCP on 127.0.0.1; the same over restarts."""
        return self._ports["sql"]

    @property
    def admin(self) -> Account:
        """Everything, everywhere."""
        return self._account("admin")

    @property
    def owner(self) -> Account:
        """Everything in the databases made here: generators and tests."""
        return self._account("owner")

    @property
    def connector(self) -> Account:
        """Debezium's; it can also read the tables, and write nothing."""
        return self._account("connector")

    def dsn(self, account: Account | None = None, database: str | None = None) -> str:
        """URI for one account (owner) and database (the first)."""
        who = account or self.owner
        return f"mariadb://{who.user}:{who.password}@127.0.0.1:{self.port}/{database or self.database}"

    def connect(
        self, account: Account | None = None, database: str | None = None, **options: Any
    ) -> pymysql.Connection[Any]:
        """An autocommit connection in utf8mb4 and UTC as one account (owner) to a database (the first)."""
        who = account or self.owner
        settings: dict[str, Any] = {"autocommit": True, "charset": "utf8mb4", "init_command": "SET time_zone = '+00:00'"}
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=who.user, password=who.password,
            database=database or self.database, **(settings | options),
        )  # fmt: skip

    def create_database(self, name: str) -> str:
        """A new database that is the owner's; its DSN as the owner."""
        with self.connect(self.admin, "mysql") as admin, admin.cursor() as cursor:
            self._create(cursor, name)
        return self.dsn(database=name)

    def drop_database(self, name: str) -> None:
        """Remove it with what is in it."""
        with self.connect(self.admin, "mysql") as admin, admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def start(self) -> None:
        """Start it; the first time, make its users and its database."""
        super().start()
        if not self._made.exists():
            self._set_up()

    def settings(self) -> dict[str, object]:
        """Server variables."""
        return {
            "datadir": self._data,
            "socket": "mariadb.sock",  # in the data folder; a path may be longer than the name of a socket can be
            "pid_file": self._data / "mariadb.pid",
            "bind_address": "127.0.0.1",
            "port": self.port,
            "skip_name_resolve": 1,
            "log_bin": "binlog",
            "binlog_format": "ROW",
            "binlog_row_image": "FULL",
            "binlog_row_metadata": "FULL",
            "server_id": 1,
            "gtid_domain_id": 1,
            "gtid_strict_mode": 1,
            "character_set_server": "utf8mb4",
            "collation_server": "utf8mb4_unicode_ci",
            "default_time_zone": "+00:00",
            "sql_mode": "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
            "innodb_buffer_pool_size": "128M",
            "innodb_log_file_size": "64M",
            "max_connections": 100,
            "performance_schema": 0,
            **self._settings,
        }

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _made(self) -> Path:
        return self.directory / "made"

    def _account(self, name: str) -> Account:
        return Account(name, self._passwords[name])

    def _stored_passwords(self) -> dict[str, str]:
        file = self.directory / "accounts.json"
        if not file.exists():
            file.touch(0o600)
            file.write_text(json.dumps({user: secrets.token_hex(16) for user in _USERS}))
        stored: dict[str, str] = json.loads(file.read_text())
        return stored

    def _prepare(self) -> None:
        if self._made.exists():
            return
        # A first start that was cut off left nothing that anybody has written to.
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o755)
        command = [
            program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}", "--skip-test-db",
            "--skip-name-resolve", "--auth-root-authentication-method=normal",
        ]  # fmt: skip
        if os.geteuid() == 0:
            check_passable(self.directory, "MariaDB", self.user)
            shutil.chown(self._data, self.user, self.user)
            command.append(f"--user={self.user}")
        program("mariadbd")
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, cwd="/")
        if done.returncode != 0:
            raise StackError(
                "MariaDB's data folder cannot be made", where=self._data, remedy=(done.stdout + done.stderr)[-2000:]
            )

    def _set_up(self) -> None:
        with self._as_root() as root, root.cursor() as cursor:
            for name, statement in _statements().items():
                cursor.execute(statement, {"password": self._passwords[name.rpartition("_")[2]]})
            self._create(cursor, self.database)
            cursor.execute("SELECT user, host FROM mysql.user WHERE user IN ('root', '')")
            for user in cursor.fetchall():  # none of them has a password
                cursor.execute("DROP USER %s@%s", user)
        self._made.touch()

    def _as_root(self) -> pymysql.Connection[Any]:
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)

    @staticmethod
    def _create(cursor: Any, name: str) -> None:
        cursor.execute(f"CREATE DATABASE `{name}`")
        cursor.execute(f"GRANT ALL PRIVILEGES ON `{name}`.* TO owner@'127.0.0.1'")

    def _cwd(self) -> str:
        return "/"

    def _command(self) -> Sequence[str]:
        variables = [f"--{name.replace('_', '-')}={value}" for name, value in self.settings().items()]
        return [program("mariadbd"), "--no-defaults", *variables]

    def _ready(self) -> bool:
        try:
            (self.connect(self.admin, "mysql") if self._made.exists() else self._as_root()).close()
        except pymysql.MySQLError:
            return False
        return True


def _statements() -> dict[str, str]:
    """The named statements of the setup, in order."""
    found = {}
    for block in _SETUP.read_text().split("-- name: ")[1:]:
        name, _, text = block.partition("\n")
        found[name.strip()] = text.strip().rstrip(";")
    return found
