"""`python -m sandbox.stack.fetch`: Kafka, the Debezium connectors and the metrics agent, once, by Maven, into `.stack/`.

What is fetched is named by the digest of the two lists (pom.xml, plugins.xml): a changed list makes another kit beside the
old one. A kit is put together aside and renamed when it is complete; a kit that lost a file since is fetched again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.stack.errors import StackError
from sandbox.stack.tools import program

HERE = Path(__file__).parent
LISTS = (HERE / "pom.xml", HERE / "plugins.xml")
_MANIFEST = "manifest.json"
_MAVEN_SECONDS = 900


@dataclass(frozen=True)
class Kit:
    """What one list gave: jars of broker and worker, connectors, the metrics agent."""

    directory: Path

    @property
    def classpath(self) -> str:
        """For `java -cp`."""
        return str(self.directory / "libs" / "*")

    @property
    def libraries(self) -> Path:
        """The folder of broker's and worker's jars."""
        return self.directory / "libs"

    @property
    def plugins(self) -> Path:
        """For `plugin.path`: one folder per connector."""
        return self.directory / "plugins"

    @property
    def metrics_agent(self) -> Path:
        """The jar for `-javaagent:`."""
        return next((self.directory / "agents").glob("jmx_prometheus_javaagent-*.jar"))

    def complete(self) -> bool:
        """Is every file that was fetched still there, with its size?"""
        try:
            sizes: dict[str, int] = json.loads((self.directory / _MANIFEST).read_text())
            return all((self.directory / name).stat().st_size == size for name, size in sizes.items())
        except (OSError, ValueError):
            return False


def home() -> Path:
    """Where kits are kept: COEXIST_STACK_DIR, else `.stack` at the project's root."""
    return Path(os.environ.get("COEXIST_STACK_DIR") or HERE.parents[1] / ".stack").absolute()


def fetch(directory: Path | None = None) -> Kit:
    """The kit of today's lists, fetched if it is not there. Several processes may ask at once: one fetches, the others wait."""
    base = directory or home()
    kit = Kit(base / _digest())
    if kit.complete():
        return kit
    with _alone(base):
        if not kit.complete():
            _fetch(kit, base)
    return kit


def _digest() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in LISTS)).hexdigest()[:12]


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    try:
        base.mkdir(parents=True, exist_ok=True)
        lock = (base / "lock").open("w")
    except OSError as error:
        remedy = f"set COEXIST_STACK_DIR to a folder of yours; {error.strerror}"
        raise StackError("the stack cannot be kept here", where=base, remedy=remedy) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(kit: Kit, base: Path) -> None:
    mvn = program("mvn")
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=base) as aside:
        fresh = Path(aside) / "kit"
        _copy(mvn, LISTS[0], fresh / "libs")
        _copy(mvn, LISTS[1], fresh / "agents")
        for archive in (fresh / "agents").glob("*.tar.gz"):
            with tarfile.open(archive) as packed:  # each holds one folder, named like the connector
                # Set here because Python 3.11.3 and older know no argument for it.
                packed.extraction_filter = getattr(tarfile, "data_filter", None)
                packed.extractall(fresh / "plugins")
            archive.unlink()
        sizes = {str(path.relative_to(fresh)): path.stat().st_size for path in fresh.rglob("*") if path.is_file()}
        (fresh / _MANIFEST).write_text(json.dumps(sizes, indent=0, sort_keys=True))
        fresh.chmod(0o755)
        shutil.rmtree(kit.directory, ignore_errors=True)
        fresh.rename(kit.directory)


def _copy(mvn: str, pom: Path, target: Path) -> None:
    # A local repository may hold a torn download of somebody else's; -U makes Maven look again.
    command = [mvn, "-B", "-q", "-U", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MAVEN_SECONDS)
    except subprocess.TimeoutExpired:
        raise StackError(
            f"Maven took longer than {_MAVEN_SECONDS} s", where=pom, remedy="look at the network; run it again"
        ) from None
    if done.returncode != 0 or not target.is_dir():
        raise StackError(
            "Maven could not fetch the stack", where=pom,
            remedy=f"it needs a repository it can reach; it said:\n{(done.stdout + done.stderr)[-3000:]}",
        )  # fmt: skip


if __name__ == "__main__":
    try:
        print(f"the stack is in {fetch().directory}")
    except StackError as problem:
        sys.exit(f"stack-fetch: {problem}")
