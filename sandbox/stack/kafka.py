"""One Kafka broker, which is its own controller (KRaft): loopback, small, no topic that nobody asked for."""

from __future__ import annotations

import base64
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sandbox.stack import java, ports
from sandbox.stack.errors import StackError
from sandbox.stack.fetch import fetch
from sandbox.stack.process import Server, listens

_FORMAT_SECONDS = 60

# What every broker of ours is told, whatever it runs on. docker-compose.yml tells its own the same.
PROMISES: Mapping[str, object] = {
    "log.cleanup.policy": "delete",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    # A killed broker may not come back before the controller has given its former life up, by default 9 s.
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 1000,
    # A dead producer's transaction holds readers until it is looked at, by default only every 10 s.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
}


class Broker(Server):
    """`Broker(directory)`; `settings` are lines of server.properties laid over ours."""

    name = "kafka"

    def __init__(self, directory: Path, *, settings: Mapping[str, object] | None = None, heap: str = "512m") -> None:
        super().__init__(directory)
        self._settings = dict(settings or {})
        self._heap = heap
        self._ports = ports.kept(self.directory / "ports.json", ("broker", "controller"))

    @property
    def port(self) -> int:
        """The clients' port."""
        return self._ports["broker"]

    @property
    def bootstrap(self) -> str:
        """For `bootstrap.servers`; the same over restarts."""
        return f"127.0.0.1:{self.port}"

    def settings(self) -> dict[str, object]:
        """The lines of server.properties."""
        controller = f"127.0.0.1:{self._ports['controller']}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": controller,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.directory / "data",
            "num.partitions": 1,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            **PROMISES,
            **self._settings,
        }

    def admin(self) -> AdminClient:
        """A client to make and look at topics."""
        # Refused connections are expected while it starts; librdkafka would print each.
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def end_hanging_transactions(self, older_than: float = 15.0) -> list[str]:
        """Abort, as an operator does, transactions whose coordinator has forgotten them: `topic at offset` of each.

        The only broker of a cluster may skip a transaction's end when it stops or starts, for the leaders of its partitions
        are not known just then; readers of committed records stand still behind it for ever. older_than: seconds since its
        last record, more than any transaction may take.
        """
        ended = []
        for topic in sorted(self.admin().list_topics(timeout=10).topics):
            if topic.startswith("__"):
                continue
            for line in self._transactions("describe-producers", topic, 0):
                # Producer, epoch, coordinator's epoch, sequence, time of the last record, where the open transaction begins.
                columns = line.split()
                if len(columns) != 6 or not columns[0].isdigit() or not columns[5].isdigit():
                    continue
                stamp, start = columns[4:]
                if time.time() - int(stamp) / 1000 > older_than:
                    self._transactions("abort", topic, 0, "--start-offset", start)
                    ended.append(f"{topic} at {start}")
        return ended

    def _transactions(self, command: str, topic: str, partition: int, *more: str) -> list[str]:
        arguments = ["--bootstrap-server", self.bootstrap, command, "--topic", topic, "--partition", str(partition), *more]
        done = subprocess.run(
            java.command(fetch(), "org.apache.kafka.tools.TransactionsCommand", arguments, heap="128m"),
            capture_output=True, text=True, timeout=_FORMAT_SECONDS, cwd=self.directory,
        )  # fmt: skip
        if done.returncode != 0:
            raise StackError(f"kafka-transactions {command} {topic} failed", where=self.directory, remedy=done.stderr[-1000:])
        return [line for line in done.stdout.splitlines() if line.strip()]

    def _prepare(self) -> None:
        properties = self.directory / "server.properties"
        java.write_properties(properties, self.settings())
        if (self.directory / "data" / "meta.properties").exists():
            return
        arguments = ["format", "-t", cluster_id(uuid.uuid4().bytes), "-c", str(properties), "--standalone"]
        formatted = subprocess.run(
            java.command(fetch(), "kafka.tools.StorageTool", arguments, heap=self._heap),
            capture_output=True, text=True, timeout=_FORMAT_SECONDS, cwd=self.directory,
        )  # fmt: skip
        if formatted.returncode != 0:
            raise StackError(
                "Kafka's data folder cannot be made", where=self.directory,
                remedy=(formatted.stdout + formatted.stderr)[-2000:],
            )  # fmt: skip

    def _command(self) -> Sequence[str]:
        return java.command(fetch(), "kafka.Kafka", [str(self.directory / "server.properties")], heap=self._heap)

    def _ready(self) -> bool:
        if not listens(self.port):
            return False
        try:
            return bool(self.admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return False


def cluster_id(random: bytes) -> str:
    """16 bytes as Kafka writes them. The first bit is cleared: else one in 64 begins with a dash and is read as an option."""
    return base64.urlsafe_b64encode(bytes([random[0] & 0x7F]) + random[1:]).decode().rstrip("=")
