"""`python -m sandbox.stack` starts everything, tells where it is, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from sandbox.stack.watch import DEPLOY, localised
from tests.support.processes import Process, wait_until
from tests.support.topics import topic_names

COMMAND = [sys.executable, "-m", "sandbox.stack", "--json"]


def start(log: Path, *arguments: str, **environment: str) -> Process:
    return Process([*COMMAND, *arguments], log, environment)


def addresses(process: Process) -> dict[str, Any]:
    """What it printed, once it has."""
    wait_until("all of it runs", lambda: process.out.read_text() != "" or process.exit_code is not None, 150)
    assert process.exit_code is None, process.stderr()
    found: dict[str, Any] = json.loads(process.out.read_text())
    return found


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def processes_of(directory: str) -> list[int]:
    """Whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and directory.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.stack
def test_everything_answers_where_it_says_and_a_signal_ends_it_without_a_trace(tmp_path: Path) -> None:
    stack = start(tmp_path / "stack.log")
    try:
        at = addresses(stack)
        assert {plugin["type"] for plugin in get(f"{at['connect']}/connector-plugins")} == {"source"}
        assert "connect-configs" in topic_names(at["kafka"])
        secrets = dict(line.split("=", 1) for line in Path(at["secrets"]).read_text().splitlines())
        assert stat.S_IMODE(Path(at["secrets"]).stat().st_mode) == 0o600
        with psycopg.connect(secrets["POSTGRES_DSN"]) as db:
            assert db.execute("SHOW wal_level").fetchall() == [("logical",)]
        assert not any(value in stack.out.read_text() + stack.stderr() for name, value in secrets.items() if "PASSWORD" in name)
        wait_until("Prometheus has read the worker", lambda: "up" in healths(at["prometheus"], "connect"), 40)
        managers = get(f"{at['prometheus']}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        assert [manager["url"] for manager in managers] == [f"{at['alertmanager']}/api/v2/alerts"]
        started = processes_of(at["directory"])
        assert len(started) >= 6
        for number in (signal.SIGINT, signal.SIGTERM):  # an impatient user's second signal breaks nothing off
            os.kill(stack.pid, number)
        assert stack.wait_exit(60) == 0
        assert "Traceback" not in stack.stderr()
        assert processes_of(at["directory"]) == []
        assert not Path(at["directory"]).exists()
    finally:
        stack.end()


def healths(prometheus: str, job: str) -> list[str]:
    targets = get(f"{prometheus}/api/v1/targets")["data"]["activeTargets"]
    return [target["health"] for target in targets if target["labels"]["job"] == job]


@pytest.mark.stack
def test_a_folder_in_use_is_refused(stack_directory: Path, tmp_path: Path) -> None:
    folder = stack_directory / "used"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = start(tmp_path / "second.log", "--directory", str(folder))
        assert second.wait_exit(60) == 1
    assert "a stack runs here already" in second.stderr()
    assert folder.is_dir()


@pytest.mark.stack
@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"JAVA_HOME": "/nowhere"}, "set JAVA_HOME to a Java 17 or newer"),
        ({"COEXIST_STACK_DIR": "/proc/nowhere"}, "COEXIST_STACK_DIR"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_without_a_trace(environment: dict[str, str], says: str, tmp_path: Path) -> None:
    stack = start(tmp_path / "wrong.log", **environment)
    assert stack.wait_exit(60) == 1
    assert says in stack.stderr()
    assert "Traceback" not in stack.stderr()
    assert stack.out.read_text() == ""


def test_the_projects_prometheus_configuration_keeps_its_jobs_and_stays_on_loopback() -> None:
    source = DEPLOY / "prometheus" / "prometheus.yml"
    shipped = yaml.safe_load(source.read_text())
    here = localised(shipped, source.parent, {"connect": ["127.0.0.1:1"]}, "127.0.0.1:2")
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in here["scrape_configs"]}
    assert {job["job_name"] for job in shipped["scrape_configs"]} <= jobs.keys()
    assert all(target.startswith("127.0.0.1:") for targets in jobs.values() for target in targets)
    assert all(Path(name).exists() for name in here["rule_files"])


