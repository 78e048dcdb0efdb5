"""The command line over a real store with the story in it, and a real legacy source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from agent.cli import cli
from tests.flow.operations.story import Story

CONFIG = """\
use: [finance]
store: {dsn: {env: TEST_STORE_DSN}}
sources:
  finance: {dsn: {env: TEST_FINANCE_DSN}}
targets:
  erp:
    profile: d365fo
    base_url: http://127.0.0.1:1
    tenant: contoso
    auth: {token_url: "http://127.0.0.1:1/t", client_id: c, client_secret: {env: TEST_ERP_SECRET}}
    objects: {customer: {}}
"""

Coexist = Callable[..., Result]


@pytest.fixture
def story(store: psycopg.Connection) -> Story:
    return Story.tell(store)


@pytest.fixture
def config(tmp_path: Path, store: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Path:
    info = store.info
    monkeypatch.setenv(
        "TEST_STORE_DSN", f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
    )
    monkeypatch.setenv("TEST_ERP_SECRET", "correct-horse")
    path = tmp_path / "coexist.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def coexist(config: Path) -> Coexist:
    """Run a command in this process."""

    def run(*args: str, stdin: str | None = None) -> Result:
        return CliRunner(catch_exceptions=False).invoke(cli, ["--config", str(config), *args], input=stdin)

    return run
