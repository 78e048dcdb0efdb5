"""An estate whose legacy database is captured by Debezium: broker and worker of its own, one or more replicas of the agent."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg
import yaml

from agent.store.embedded import free_port
from sandbox.legacy.book import Size
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from tests.support.connectors import Connectors
from tests.support.estate import AGENT, Estate, Servers
from tests.support.processes import Process, wait_until

_CURSOR = "SELECT cursor FROM coexist.stream WHERE source = %s"
# The worker's name for the password that connectors use; the worker reads it from a file, so that it may come later.
SECRETS = "passwords.properties"


class Stack:
    """Broker and Connect worker that estates share one after the other."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
        self.secrets = root / SECRETS
        self.secrets.write_text("")
        self.broker = Broker(root / "kafka")
        self.worker = Worker(root / "connect", self.broker.bootstrap)

    def start(self) -> None:
        """Both, the broker first."""
        self.broker.start()
        self.worker.start()

    def stop(self) -> None:
        """Both, the worker first."""
        self.worker.stop()
        self.broker.stop()

    def secret(self, name: str, value: str) -> str:
        """Give the worker a password; what connectors write for it."""
        with self.secrets.open("a") as file:
            file.write(f"{name}={value}\n")
        return f"${{file:{self.secrets}:{name}}}"


class KafkaEstate(Estate):
    """`with KafkaEstate(servers, stack) as estate:` the connector runs; `start_replica` starts one agent after the other."""

    def __init__(
        self, servers: Servers, stack: Stack, *, seed: int = 1, size: str | Size = "tiny",
        settings: Mapping[str, Any] | None = None, erp: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.stack = stack
        self.replicas: list[Process] = []
        self.entry: Sequence[str] = AGENT  # what the last replica was started by
        super().__init__(servers, seed=seed, size=size, settings=settings, erp=erp)
        self.connect("finance")

    @property
    def topic(self) -> str:
        """The finance source's."""
        return f"coexist.{urlsplit(self.source_dsn).path.lstrip('/')}"

    def connect(self, source: str) -> None:
        """Make the source's connector as an operator does."""
        done = subprocess.run(
            [*AGENT, "--config", str(self.config), "connect", "apply", source, "--yes", "--reason", "a test"],
            env=self._environment(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout

    def close(self) -> None:
        """End every replica, delete the connectors, and the rest."""
        for replica in self.replicas:
            replica.end()
        client = Connectors(self.stack.worker.url)
        for name in client.call("GET", "/connectors")[1]:
            client.delete(name)
        super().close()

    # ------------------------------------------------------------------------------------------------ replicas

    def start_replica(self, failpoint: str | None = None, entry: Sequence[str] = AGENT) -> Process:
        """One agent more, with an address of its own for observation."""
        self.entry = entry
        number = len(self.replicas) + 1
        config = self.directory / f"replica{number}.yaml"
        settings = yaml.safe_load(self.config.read_text())
        settings["agent"]["http"]["port"] = free_port()
        config.write_text(yaml.safe_dump(settings))
        env = {**self._env, "COEXIST_FAILPOINT": failpoint or ""}
        replica = Process([*entry, "--config", str(config), "run"], self.directory / f"replica{number}.log", env)
        self.replicas.append(replica)
        self.agent = replica
        return replica

    def alive(self) -> None:
        """AssertionError with its last words when one of the replicas ended that nobody killed."""
        ended = [r for r in self.replicas if r.exit_code not in (None, -9)]
        assert not ended, f"a replica ended with {ended[0].exit_code}:\n{ended[0].stderr()[-3000:]}"
        assert any(r.exit_code is None for r in self.replicas), "no replica is left"

    def stop_replicas(self) -> list[int]:
        """SIGTERM to all that run; their exit codes."""
        running = [r for r in self.replicas if r.exit_code is None]
        for replica in running:
            replica.terminate()
        return [replica.wait_exit(60) for replica in running]

    def tail(self) -> str:
        """The end of what each replica said."""
        return "\n".join(f"{r.pid}:\n{r.stderr()[-2500:]}" for r in self.replicas)

    # ------------------------------------------------------------------------------------------------ looking

    def wait_until_drained(self, seconds: float = 60.0) -> None:
        """Until everything committed before this call has its outcome at the ERP."""
        self._await_captured(seconds)
        super().wait_until_drained(seconds)

    def connectors(self) -> str:
        """What the worker says of its connectors, for a person."""
        try:
            return str(Connectors(self.stack.worker.url).call("GET", "/connectors?expand=status", seconds=10)[1])[:3000]
        except (AssertionError, OSError) as error:
            return f"the worker does not answer: {error}"

    def _mark(self) -> int:
        # What was committed before is captured already, and positions are offsets here.
        return -1

    def _await_captured(self, seconds: float) -> None:
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
            conn.execute("UPDATE fin.arcust SET cust_no = cust_no WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)")
        assert row is not None
        mark = int(row[0])

        def captured() -> bool:
            self.alive()
            text = self._cursor("finance")
            return text is not None and (orjson.loads(text)["lsn"] or 0) > mark

        try:
            wait_until("the change after the mark is captured", captured, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._cursor('finance')}\n{self.tail()}") from None

    def _cursor(self, source: str) -> str | None:
        try:
            with psycopg.connect(self.store_dsn, autocommit=True, connect_timeout=5) as conn:
                row = conn.execute(_CURSOR, (source,)).fetchone()
        except psycopg.Error:
            return None
        return row[0] if row else None

    # ------------------------------------------------------------------------------------------------ configuration

    def _environment(self) -> dict[str, str]:
        import os

        return {**os.environ, **self._env}

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        at = urlsplit(self.source_dsn)
        name = at.path.lstrip("/")
        settings["sources"] = {"finance": {
            "capture": "kafka", "database": "postgres", "dsn": {"env": "ESTATE_SOURCE"}, "topic": self.topic,
            "max_slice_rows": 64,
            "kafka": {"bootstrap_servers": self.stack.broker.bootstrap}, "connect": {"url": self.stack.worker.url},
            "slot": f"kafka_{name}", "publication": f"kafka_{name}",
            "connector": {
                "hostname": at.hostname, "port": at.port, "user": at.username, "dbname": name, "heartbeat_seconds": 0.5,
                "password": self.stack.secret(name, at.password or ""),
            },
        }}  # fmt: skip
        return settings
