"""Prometheus and Alertmanager take the project's files; what rules and dashboard ask of a Connect worker, it tells."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from sandbox.stack.watch import DEPLOY, Alertmanager, Prometheus
from tests.support.connectors import Connectors, one_stream, postgres_connector
from tests.support.processes import wait_until
from tests.support.stack import NewTopicMaker
from tests.support.topics import read_topic
from tests.tools.schema_checks import expressions

pytestmark = pytest.mark.stack

ASKED = {name for expression in expressions() for name in re.findall(r"\b(?:kafka_connect|debezium)_\w+", expression)}


def answer(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        text: str = response.read().decode()
    return text


def api(server: Prometheus, path: str) -> Any:
    return json.loads(answer(f"{server.url}/api/v1/{path}"))["data"]


@pytest.fixture
def captured(
    broker: Broker, connectors: Connectors, new_database: str, new_topic: NewTopicMaker
) -> None:
    """A connector that streams one table."""
    topic = new_topic()
    with psycopg.connect(new_database) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1)")
    connectors.put("watched", postgres_connector(new_database, "watched", "public.t") | one_stream("watched", topic))
    read_topic(broker.bootstrap, topic, 1)


@pytest.mark.usefixtures("captured")
def test_prometheus_finds_every_figure_of_a_worker_that_rules_and_dashboard_name(
    connect_worker: Worker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("prometheus")
    worker = connect_worker.metrics_url.removeprefix("http://").removesuffix("/metrics")
    with Prometheus(directory, targets={"connect": [worker], "coexist": []}) as prometheus:
        assert ASKED
        wait_until("every name is known", lambda: set(api(prometheus, "label/__name__/values")) >= ASKED, 90)


def test_prometheus_and_alertmanager_take_the_projects_files(tmp_path: Path) -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    with Alertmanager(tmp_path / "a") as manager, Prometheus(tmp_path / "p", alertmanager=manager.address) as prometheus:
        loaded = api(prometheus, "rules")["groups"]
        assert {group["name"] for group in loaded} == {group["name"] for group in rules["groups"]}
        receivers = json.loads(answer(f"{manager.url}/api/v2/receivers"))
        assert {"operator", "operator-page", "controller"} == {receiver["name"] for receiver in receivers}
        # Nothing of ours runs here, and that must reach whoever is on call.
        wait_until("the alert has arrived", lambda: "AgentDown" in answer(f"{manager.url}/api/v2/alerts"), 180)
