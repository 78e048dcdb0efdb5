"""A whole firm: finance on PostgreSQL and PSA on MariaDB, both through Kafka, into one ERP; replicas as in `kafka_estate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import psycopg

from sandbox.compare import Comparison, compare
from sandbox.legacy.book import Size
from sandbox.psa import book
from sandbox.psa.connect import connect, execute, rows
from sandbox.stack.mariadb import MariaDb
from tests.support.estate import Servers
from tests.support.kafka_estate import KafkaEstate, Stack
from tests.support.processes import wait_until
from tests.support.standing import Standing

PSA_OBJECTS = ("project", "task", "time_entry")
# Of both streams: the line is as far as the one that is behind.
_STANDING = """
    SELECT min(s.position),
           sum(coalesce(s.last_txn - d.txn_no, 1))::bigint,
           count(*) = 2 AND bool_and(coalesce(d.baseline_done, false))
               AND coalesce((SELECT bool_and(baseline_done) FROM coexist.target), false),
           (SELECT count(*) FROM coexist.dirty),
           (SELECT count(*) FROM coexist.command WHERE state IN ('in_flight', 'unknown')),
           (SELECT count(*) FROM coexist.command WHERE state = 'waiting'),
           (SELECT count(*) FROM coexist.exception WHERE state = 'open'),
           (SELECT count(*) FROM coexist.outcome)
    FROM coexist.stream s LEFT JOIN coexist.derive_position d USING (stream_id)"""


class FirmStack(Stack):
    """Broker, worker and MariaDB."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.mariadb = MariaDb(root / "mariadb")
        self.firms = 0

    def start(self) -> None:
        """All three."""
        self.mariadb.start()
        super().start()

    def stop(self) -> None:
        """All three, the worker first."""
        super().stop()
        self.mariadb.stop()


class KafkaFirm(KafkaEstate):
    """`with KafkaFirm(servers, stack) as firm:` both connectors run; no replica yet. psa_size: as in sandbox.psa.book."""

    def __init__(
        self, servers: Servers, stack: FirmStack, *, seed: int = 1, size: str | Size = "tiny",
        psa_size: str | book.Size = "tiny", settings: Mapping[str, Any] | None = None, erp: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.mariadb = stack.mariadb
        stack.firms += 1
        self._number = stack.firms
        # The mappings name the database, so that every firm's has the same name.
        self.mariadb.drop_database("psa")
        self.psa_dsn = self.mariadb.create_database("psa")
        with closing(connect(self.psa_dsn, autocommit=True)) as conn:
            book.create(conn)
            book.load(conn, seed=seed, size=psa_size)
        super().__init__(servers, stack, seed=seed, size=size, settings=settings, erp=erp)
        self.connect("psa")

    def compare(self) -> Comparison:
        """All three sides from their own records."""
        return compare(self.source_dsn, self.record, psa_dsn=self.psa_dsn)

    def standing(self) -> Standing | None:
        """See Estate: of both sources."""
        try:
            with psycopg.connect(self.store_dsn, autocommit=True, connect_timeout=5) as conn:
                row = conn.execute(_STANDING).fetchone()
        except psycopg.Error:
            return None
        return Standing(*row) if row and row[0] is not None else None

    def _await_captured(self, seconds: float) -> None:
        marks = self._psa_mark()
        super()._await_captured(seconds)

        def captured() -> bool:
            self.alive()
            text = self._cursor("psa")
            gtids = orjson.loads(text).get("gtids", {}) if text else {}
            return all(gtids.get(domain, 0) > number for domain, number in marks.items())

        try:
            wait_until("the PSA change after the mark is captured", captured, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {marks} {self._cursor('psa')}\n{self.connectors()}\n{self.tail()}") from None

    def _psa_mark(self) -> dict[str, int]:
        """MariaDB's last number by domain, and behind it a change of something that no mapping reads."""
        with closing(connect(self.psa_dsn, autocommit=True)) as conn:
            ((text,),) = rows(conn, "SELECT @@gtid_binlog_pos")
            execute(conn, "UPDATE cl SET upd_ts = NOW(3) + INTERVAL 1 SECOND ORDER BY cl_no LIMIT 1")
        parts = [part.split("-") for part in str(text).split(",") if part]
        return {domain: int(number) for domain, _, number in parts}

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        account = self.mariadb.connector
        self._env["ESTATE_PSA"] = self.mariadb.dsn(account)
        settings["use"] = [*settings["use"], "psa"]
        settings["sources"]["psa"] = {
            "capture": "kafka", "database": "mariadb", "dsn": {"env": "ESTATE_PSA"}, "topic": f"coexist.psa.{self._number}",
            "kafka": {"bootstrap_servers": self.stack.broker.bootstrap}, "connect": {"url": self.stack.worker.url},
            "max_slice_rows": 64, "server_id": 7000 + self._number,
            "connector": {
                "hostname": "127.0.0.1", "port": self.mariadb.port, "user": account.user, "heartbeat_seconds": 0.5,
                "password": self.stack.secret(f"psa_{self._number}", account.password),
            },
        }  # fmt: skip
        settings["targets"]["erp"]["objects"] |= {name: {"mode": "live"} for name in PSA_OBJECTS}
        return settings
