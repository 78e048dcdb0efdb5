"""The line inside one process, from a real legacy database to commands in a real store: every part can be wrapped by a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import yaml

from agent.capture.postgres.capture import PostgresCapture
from agent.capture.postgres.catalogue import all_tables
from agent.derive.deriver import Deriver, Progress
from agent.inbox.intake import Intake
from agent.model.changes import CaptureBatch, Relation
from agent.model.ids import CommitPos
from agent.operations.books import Books, books
from agent.operations.exceptions import ExceptionRow, list_exceptions
from agent.wiring import source as wiring
from cdc_config.loader import load_config

SETTINGS: Mapping[str, Any] = {
    "use": ["finance"],
    "store": {"dsn": {"env": "LINE_STORE"}},
    "sources": {"finance": {"dsn": {"env": "LINE_SOURCE"}, "slot": "coexist_line"}},
    "targets": {"erp": {
        "profile": "d365fo", "base_url": "http://127.0.0.1:1", "tenant": "contoso-test",
        "auth": {"token_url": "http://127.0.0.1:1/t", "client_id": "c", "client_secret": {"env": "LINE_SECRET"}},
        "legal_entities": {"US01": "usmf", "DE01": "demf", "GB01": "gbsi"},
        "objects": {name: {"mode": "live"} for name in ("customer", "customer_account", "invoice", "payment")},
    }},
}  # fmt: skip


class Line:
    """Capture, intake and deriver of one source. `settings` is laid over SETTINGS; `start` takes the snapshot."""

    def __init__(
        self, directory: Path, source_dsn: str, store_dsn: str, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.source_dsn = source_dsn
        self.store_dsn = store_dsn
        self._captures: list[PostgresCapture] = []
        self.path = directory / "coexist.yaml"
        self.configure(settings or {})
        self.store = psycopg.connect(store_dsn, autocommit=True)
        self._intake_conn = psycopg.connect(store_dsn, autocommit=True)
        self._derive_conn = psycopg.connect(store_dsn, autocommit=True)
        self.source = psycopg.connect(source_dsn, autocommit=True)
        self.intake = Intake(self._intake_conn, "finance")
        self.capture: PostgresCapture | None = None
        self.deriver: Deriver | None = None

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write the configuration and read it back; the next deriver goes by it."""
        self.settings = dict(settings)
        self.path.write_text(yaml.safe_dump(_overlaid(SETTINGS, settings)))
        self.config = load_config(self.path)

    def close(self) -> None:
        """Everything is let go of."""
        for capture in self._captures:
            capture.close()
        for conn in (self.store, self._intake_conn, self._derive_conn, self.source):
            conn.close()

    # ------------------------------------------------------------------------------------------------ running

    def start(self) -> None:
        """Snapshot, and derive all of it."""
        self.take_snapshot()
        self.make_deriver()
        self.drain()

    def take_snapshot(self) -> None:
        """The whole book into the inbox."""
        self.capture = self.make_capture()
        self.intake.pin(self.capture.check(self.intake.state.resume()))
        self.intake.begin_snapshot()
        position = 0
        for batch in self.capture.snapshot():
            position = self.intake.append(batch)
        self.capture.acknowledge(CommitPos(position))

    def again(self) -> None:
        """What a start of the agent does where the store says that there is no snapshot: all of it anew."""
        self.stop_capture()
        self.start()

    def stop_capture(self) -> None:
        """No capture any more, and an intake that has read its state anew."""
        if self.capture is not None:
            self.capture.close()
        self._intake_conn.close()
        self._intake_conn = psycopg.connect(self.store_dsn, autocommit=True)
        self.intake = Intake(self._intake_conn, "finance")

    def make_capture(self) -> PostgresCapture:
        """As the wiring makes it."""
        settings = self.config.sources["finance"]
        tables = wiring.captured_tables(self.config, "finance", all_tables(self.source_dsn))
        capture = PostgresCapture(
            self.source_dsn, publication=settings.publication, slot=settings.slot, tables=tables, create=True,
            idle_seconds=0.1,
        )
        self._captures.append(capture)
        return capture

    def make_deriver(self, relations: Sequence[Relation] | None = None) -> Deriver:
        """A deriver by the configuration as it is now, on a new connection: a session's tables are one deriver's."""
        self._derive_conn.close()
        self._derive_conn = psycopg.connect(self.store_dsn, autocommit=True)
        shapes = relations or (self.capture.relations() if self.capture else self.intake.relations)
        mappings = wiring.compile_source(self.config, "finance", shapes)
        self.deriver = wiring.build_deriver(
            self._derive_conn, self.config, "finance", self.intake.stream_id, self.intake.incarnation, mappings, shapes
        )
        return self.deriver

    def follow(self) -> None:
        """Everything committed in the source so far into the inbox."""
        assert self.capture is not None
        row = self.source.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        assert row is not None
        for batch in self.batches():
            position = self.intake.append(batch)
            self.capture.acknowledge(CommitPos(position))
            if position >= row[0] - 1:
                return

    def batches(self) -> Iterator[CaptureBatch]:
        """What the capture hands over from where the store stands."""
        assert self.capture is not None
        return self.capture.stream(self.intake.state.resume())

    def step(self) -> Progress:
        """One derive transaction."""
        assert self.deriver is not None
        return self.deriver.step()

    def drain(self) -> None:
        """Derive until nothing is left."""
        while self.step().worked:
            pass

    def run(self, *statements: str) -> None:
        """Statements in the source, one transaction; then all the way to commands."""
        with self.source.transaction():
            for statement in statements:
                self.source.execute(statement.encode())
        self.follow()
        self.drain()

    # ------------------------------------------------------------------------------------------------ looking

    def books(self) -> Books:
        """The three ledgers, now."""
        return books(self.store)

    def wrong(self) -> list[tuple[str, str, int]]:
        """Ledgers that do not balance: name, scope, difference."""
        return [(b.ledger, b.scope, b.difference) for b in self.books().out_of_balance]

    def exceptions(self) -> tuple[ExceptionRow, ...]:
        """The open ones, newest first."""
        return list_exceptions(self.store, limit=100)

    def ask(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows from the store."""
        return self.store.execute(sql.encode(), params).fetchall()


@contextmanager
def running(
    directory: Path, source_dsn: str, store_dsn: str, settings: Mapping[str, Any] | None = None
) -> Iterator[Line]:
    """A line that is closed afterwards."""
    line = Line(directory, source_dsn, store_dsn, settings)
    try:
        yield line
    finally:
        line.close()


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        old = found.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[name] = _overlaid(old, value) if both else value  # type: ignore[arg-type]
    return found
