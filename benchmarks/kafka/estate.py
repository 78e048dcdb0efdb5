"""A benchmark's estate whose source is read through Debezium and Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks.estate import AGENT, Estate
from benchmarks.processes import Impossible, tree, wait_until
from sandbox.legacy.book import Size
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker

TOPIC = "coexist.finance"
_APPLY_SECONDS = 180
# Everything before the mark is captured when the source's own position beside the topic's is past it.
_DERIVED = """
    SELECT coalesce((s.cursor::json->>'lsn')::bigint, 0) > %s AND s.last_txn = d.txn_no AND d.baseline_done
           AND NOT EXISTS (SELECT 1 FROM coexist.dirty)
    FROM coexist.stream s JOIN coexist.derive_position d USING (stream_id)"""


class KafkaEstate(Estate):
    """`broker` and `worker`: settings laid over ours; what is None there falls back to Kafka's own default."""

    derived = _DERIVED

    def __init__(
        self, size: str | Size, *, seed: int = 1, broker: Mapping[str, object] | None = None,
        worker: Mapping[str, object] | None = None, connector: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(size, seed=seed)
        self._connector = dict(connector or {})
        at = urlsplit(self.source_dsn)
        self.broker = Broker(self.directory / "kafka", settings=broker)
        self.broker.start()
        secrets = {"SOURCE_PASSWORD": at.password or ""}
        self.worker = Worker(self.directory / "connect", self.broker.bootstrap, environment=secrets, settings=worker)
        self.worker.start()

    def close(self) -> None:
        """See Estate."""
        self.stop()
        self.worker.stop()
        self.broker.stop()
        super().close()

    def sources(self) -> dict[str, Any]:
        """The source through Kafka, its lease long enough for a reader that is held back."""
        at = urlsplit(self.source_dsn)
        return {"finance": {
            "capture": "kafka", "database": "postgres", "dsn": {"env": "BENCH_SOURCE"}, "topic": TOPIC,
            "kafka": {"bootstrap_servers": self.broker.bootstrap}, "connect": {"url": self.worker.url},
            "connector": {
                "hostname": at.hostname, "port": at.port, "user": at.username, "dbname": at.path.lstrip("/"),
                "password": "${env:SOURCE_PASSWORD}", "properties": self._connector,
            },
        }}  # fmt: skip

    def agent_settings(self) -> dict[str, Any]:
        """See Estate."""
        return {**super().agent_settings(), "lease_seconds": 3600}

    def connect(self) -> None:
        """Make the connector through the command line. Raises Impossible."""
        self.write_config()
        done = subprocess.run(
            [*AGENT, "--config", str(self.config), "connect", "apply", "finance", "--yes", "--reason", "benchmark"],
            env=self.environment, capture_output=True, text=True, timeout=_APPLY_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Impossible(f"no connector: {done.stderr[-1000:]}")

    @contextmanager
    def sender_held(self) -> Iterator[None]:
        """Changes committed inside wait in the topic; they begin to flow into the agent when the block ends."""
        capture = self._capture_process()
        os.kill(capture, signal.SIGSTOP)
        try:
            yield
            self._await_in_topic(self.mark())
        finally:
            os.kill(capture, signal.SIGCONT)

    def _capture_process(self) -> int:
        found = [pid for pid in tree(self.running().pid) if _runs(pid, "capture_main")]
        if len(found) != 1:
            raise Impossible(f"{len(found)} capture processes")
        return found[0]

    def _await_in_topic(self, mark: int) -> None:
        """Until the connector has written, and the slot been told of, everything before a mark."""
        with psycopg.connect(self.source_dsn, autocommit=True) as conn:
            query = "SELECT bool_and(confirmed_flush_lsn - '0/0' > %s) FROM pg_replication_slots WHERE plugin = 'pgoutput'"

            def written() -> bool:
                return (conn.execute(query, (mark,)).fetchone() or (False,))[0] is True

            wait_until("the connector has written everything", written, 300)


def _runs(pid: int, what: str) -> bool:
    try:
        return what in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False

