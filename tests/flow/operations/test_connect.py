"""Connecting to the store: the embedded server is shared, and stopped by the last who needs it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from agent.errors import StoreUnavailable
from agent.store.connect import connect, open_store, store_dsn
from cdc_config.models import Config, EmbeddedStore, OwnershipConfig, StoreConfig

_OTHER = """
import sys
from pathlib import Path
from agent.store.connect import open_store
from tests.flow.operations.test_connect import configured
store = open_store(configured(Path(sys.argv[1])), Path("/"))
print(store.started, store.dsn, flush=True)
sys.stdin.readline()
store.close(stop_adopted=sys.argv[2] == "agent")
"""


def configured(directory: Path) -> Config:
    """A configuration with an embedded store and nothing else."""
    return Config(
        store=StoreConfig(embedded=EmbeddedStore(directory=directory, settings={"fsync": "off"})),
        sources={}, mappings={}, ownership=OwnershipConfig(version="1", rules=()), targets={},
    )  # fmt: skip


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coexist-test-store-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "store"


def test_a_command_does_not_take_the_server_away_from_the_agent(directory: Path) -> None:
    agent = open_store(configured(directory), Path("/"))
    try:
        assert agent.started
        with subprocess.Popen(
            [sys.executable, "-c", _OTHER, str(directory), "command"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as other:  # fmt: skip
            assert other.stdout is not None
            assert other.stdout.readline().split() == ["False", agent.dsn]
            other.communicate("\n", timeout=60)
        with connect(agent.dsn) as conn:
            assert conn.execute("SELECT count(*) FROM coexist.stream").fetchone() == (0,)
        assert store_dsn(configured(directory), Path("/")) == agent.dsn
    finally:
        agent.close()
    with pytest.raises(StoreUnavailable):
        connect(agent.dsn)


def test_whoever_ends_first_leaves_the_server_to_the_other(directory: Path) -> None:
    mine = open_store(configured(directory), Path("/"))
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(directory), "agent"],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        mine.close()
        with psycopg.connect(mine.dsn) as conn:
            conn.execute("SELECT 1")
        other.communicate("\n", timeout=60)
    with pytest.raises(StoreUnavailable):
        connect(mine.dsn)


def test_the_password_is_in_no_repr(directory: Path) -> None:
    store = open_store(configured(directory), Path("/"))
    try:
        assert store.server is not None
        assert store.server.password not in repr(store)
    finally:
        store.close()
