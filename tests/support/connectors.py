"""Kafka Connect's REST interface for tests, and the least that a Debezium connector needs to be told."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import wait_until

_server_ids = itertools.count(1000)


class Refused(Exception):
    """The worker said no: `status` and its own words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.said = said


class Connectors:
    """One worker's connectors. Those put here are remembered, for `delete_all`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._mine: list[str] = []

    def put(self, name: str, config: Mapping[str, object], *, wait: bool = True) -> None:
        """Make or change a connector, and wait until it and a task of it are RUNNING."""
        self.call("PUT", f"/connectors/{name}/config", {key: str(value) for key, value in config.items()})
        if name not in self._mine:
            self._mine.append(name)
        if wait:
            self.await_running(name)

    def status(self, name: str) -> dict[str, Any] | None:
        """What the worker says of it; None when it knows of none (just after it was made, too)."""
        try:
            _, found = self.call("GET", f"/connectors/{name}/status")
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        assert isinstance(found, dict)
        return found

    def states(self, name: str) -> list[str]:
        """The connector's state and then its tasks'; empty when there is none."""
        found = self.status(name)
        return [found["connector"]["state"], *(task["state"] for task in found["tasks"])] if found else []

    def await_running(self, name: str, seconds: float = 60.0) -> None:
        """Wait for RUNNING; a FAILED task ends the wait with its trace."""

        def running() -> bool:
            states = self.states(name)
            assert "FAILED" not in states, f"{name} failed:\n{self.trace(name)[-3000:]}"
            return len(states) > 1 and set(states) == {"RUNNING"}

        wait_until(f"connector {name} is RUNNING", running, seconds)

    def trace(self, name: str) -> str:
        """Why it or its tasks failed; empty when they did not."""
        found = self.status(name) or {"connector": {}, "tasks": []}
        return "\n".join(part["trace"] for part in (found["connector"], *found["tasks"]) if part.get("trace"))

    def stop(self, name: str) -> None:
        """Stop it, keep its configuration and offsets, and wait until no task of it is left."""
        self.call("PUT", f"/connectors/{name}/stop")
        wait_until(f"connector {name} is stopped", lambda: self.states(name) == ["STOPPED"], 60)

    def delete(self, name: str) -> None:
        """Stop it first, so that nobody holds its replication slot afterwards, and delete it."""
        if self.status(name) is not None:
            self.stop(name)
        self.call("DELETE", f"/connectors/{name}")
        self._mine = [other for other in self._mine if other != name]

    def delete_all(self) -> None:
        """Delete what was put here and is still there."""
        there = self.call("GET", "/connectors")[1]
        for name in [mine for mine in self._mine if mine in there]:
            self.delete(name)

    def call(self, method: str, path: str, body: object = None, *, seconds: float = 90.0) -> tuple[int, Any]:
        """(HTTP status, answer as JSON or None). While the group rebalances it asks again; Refused otherwise."""
        answers: list[tuple[int, Any]] = []

        def answered() -> bool:
            try:
                answers.append(self._once(method, path, body))
            except Refused as refused:
                if refused.status != 409 or "rebalance" not in refused.said:
                    raise
            return bool(answers)

        wait_until(f"{method} {path} is answered", answered, seconds)
        return answers[0]

    def _once(self, method: str, path: str, body: object) -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, method=method, headers={"Content-Type": "application/json"})
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=90) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode(errors="replace")) from None


def postgres_connector(dsn: str, prefix: str, tables: str, **more: object) -> dict[str, object]:
    """A PostgreSQL connector, password from the worker's POSTGRES_PASSWORD, slot and publication named like the prefix.

    tables: `public.a,public.b`. more: further settings, `__` for a dot.
    """
    at = urlsplit(dsn)
    return _SHARED | {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": at.hostname,
        "database.port": at.port,
        "database.user": at.username,
        "database.password": "${env:POSTGRES_PASSWORD}",
        "database.dbname": at.path.lstrip("/"),
        "slot.name": prefix,
        "publication.name": prefix,
        "publication.autocreate.mode": "filtered",
        "topic.prefix": prefix,
        "table.include.list": tables,
    } | _dotted(more)  # fmt: skip


def mariadb_connector(port: int, database: str, bootstrap: str, prefix: str, tables: str, **more: object) -> dict[str, object]:
    """A MariaDB connector, password from the worker's MARIADB_PASSWORD, user connector. tables: `database.a,database.b`."""
    return _SHARED | {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.hostname": "127.0.0.1",
        "database.port": port,
        "database.user": "connector",
        "database.password": "${env:MARIADB_PASSWORD}",
        "database.server.id": next(_server_ids),
        "database.include.list": database,
        "topic.prefix": prefix,
        "table.include.list": tables,
        "schema.history.internal.kafka.bootstrap.servers": bootstrap,
        "schema.history.internal.kafka.topic": f"{prefix}.history",
        "include.schema.changes": "false",
    } | _dotted(more)  # fmt: skip


def one_stream(prefix: str, topic: str) -> dict[str, object]:
    """Rows of all tables and the transaction markers of one connector in one topic, in commit order."""
    return {
        "provide.transaction.metadata": "true",
        "transforms": "stream",
        "transforms.stream.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.stream.regex": prefix.replace(".", "\\.") + "\\..*",
        "transforms.stream.replacement": topic,
    }


_SHARED: dict[str, object] = {
    "tasks.max": 1,
    "exactly.once.support": "required",
    "transaction.boundary": "poll",
    "producer.override.transaction.timeout.ms": 10_000,
    "decimal.handling.mode": "string",
    "time.precision.mode": "isostring",
    "skipped.operations": "none",
    "poll.interval.ms": 10,
    "topic.creation.default.replication.factor": 1,
    "topic.creation.default.partitions": 1,
}


def _dotted(settings: Mapping[str, object]) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in settings.items()}
