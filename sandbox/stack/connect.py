"""One Kafka Connect worker with Debezium's connectors; several of the same group share the connectors among them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.stack import java, ports
from sandbox.stack.fetch import HERE, fetch
from sandbox.stack.process import Server

_PROVIDERS = "org.apache.kafka.common.config.provider"
_JSON = "org.apache.kafka.connect.json.JsonConverter"

# What every worker of ours is told, whatever it runs on. docker-compose.yml tells its own the same.
PROMISES: Mapping[str, object] = {
    "key.converter": _JSON,
    "value.converter": _JSON,
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
    "plugin.discovery": "service_load",
    "exactly.once.source.support": "enabled",
    # How long what a killed worker left behind stops everybody else. A connector needs the first one too, as
    # producer.override.transaction.timeout.ms.
    "producer.transaction.timeout.ms": 10_000,
    "session.timeout.ms": 6_000,  # what a broker allows at least, unless told otherwise
    "heartbeat.interval.ms": 2_000,
    "scheduled.rebalance.max.delay.ms": 0,
}


class Worker(Server):
    """`Worker(directory, bootstrap)`: a distributed worker that runs source connectors exactly-once.

    group: workers of one group are one cluster. environment: what connectors name as `${env:NAME}`. settings: lines of
    its properties laid over ours. metrics: serve its and Debezium's beans to Prometheus at `metrics_url`.
    """

    name = "connect"

    def __init__(
        self, directory: Path, bootstrap: str, *, group: str = "connect", environment: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None, heap: str = "768m", metrics: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(directory)
        self._bootstrap = bootstrap
        self._group = group
        self._secrets = dict(environment or {})
        self._settings = dict(settings or {})
        self._heap = heap
        self._metrics = metrics
        self._ports = ports.kept(self.directory / "ports.json", ("rest", "metrics"))

    @property
    def port(self) -> int:
        """REST's."""
        return self._ports["rest"]

    @property
    def url(self) -> str:
        """REST's address, without a slash at the end; the same over restarts."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads, when `metrics` was asked for."""
        return f"http://127.0.0.1:{self._ports['metrics']}/metrics"

    def settings(self) -> dict[str, object]:
        """The lines of its properties file."""
        return {
            "bootstrap.servers": self._bootstrap,
            "group.id": self._group,
            "listeners": self.url,
            "rest.advertised.host.name": "127.0.0.1",
            "rest.advertised.port": self.port,
            "config.storage.topic": f"{self._group}-configs",
            "offset.storage.topic": f"{self._group}-offsets",
            "status.storage.topic": f"{self._group}-statuses",
            "config.storage.replication.factor": 1,
            "offset.storage.replication.factor": 1,
            "status.storage.replication.factor": 1,
            "offset.storage.partitions": 1,
            "status.storage.partitions": 1,
            "plugin.path": fetch().plugins,
            "config.providers": "env,file",
            "config.providers.env.class": f"{_PROVIDERS}.EnvVarConfigProvider",
            "config.providers.file.class": f"{_PROVIDERS}.FileConfigProvider",
            **PROMISES,
            **self._settings,
        }

    def _prepare(self) -> None:
        java.write_properties(self.directory / "connect.properties", self.settings())

    def _environment(self) -> Mapping[str, str]:
        return self._secrets

    def _command(self) -> Sequence[str]:
        rules = HERE / "metrics.yml"
        agent = f"-javaagent:{fetch().metrics_agent}=127.0.0.1:{self._ports['metrics']}:{rules}"
        return java.command(
            fetch(), "org.apache.kafka.connect.cli.ConnectDistributed", [str(self.directory / "connect.properties")],
            heap=self._heap, options=[agent] if self._metrics else [],
        )  # fmt: skip

    def _ready(self) -> bool:
        # Not "/": that answers before the worker has joined its group and read its topics.
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
