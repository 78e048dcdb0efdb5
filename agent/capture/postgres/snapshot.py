"""A consistent snapshot at the exact point where the stream goes on.

The slot is created first, exporting its snapshot; a second connection imports it and COPYs the tables out.
With a slot made by the DBA (which can export nothing any more) a temporary slot lends the snapshot: its
consistent point lies after the permanent slot's, so the stream starts there and nothing is missing in
between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
from psycopg import pq, sql
from psycopg.errors import error_from_result

from agent.capture.postgres import wire
from agent.capture.postgres.catalogue import CapturedTable, Catalogue, TableNames
from agent.capture.postgres.copytext import parse_line
from agent.capture.postgres.lsn import parse_lsn, position_before
from agent.errors import SourceError, SourceUnavailable
from agent.model.changes import CaptureBatch, Relation, RowChange, TransactionSlice
from agent.model.ids import CommitPos

MAX_BATCH_BYTES = 16 * 1024 * 1024
NOTHING_YET = CommitPos(
    0
)  # end_pos of every batch before the last: half a snapshot lets the source forget nothing


class Snapshot:
    """One run over the tables. `batches` may be iterated once."""

    def __init__(
        self,
        dsn: str,
        catalogue: Catalogue,
        tables: TableNames,
        interrupt: wire.Interrupt,
        *,
        max_rows: int,
        pace: int | None,
    ) -> None:
        self._dsn, self._catalogue, self._names = dsn, catalogue, tables
        self._interrupt, self._max_rows, self._pace = interrupt, max_rows, pace
        self._reader: psycopg.Connection | None = None
        self.position = NOTHING_YET
        self._at = datetime.now(UTC)
        self._rows: list[RowChange] = []
        self._bytes = self._counted = self._handed = 0
        self._began = time.monotonic()

    def batches(self, slot: str, *, temporary: bool) -> Iterator[CaptureBatch]:
        """Raises SourceError, SourceUnavailable, wire.Stopped."""
        relations, partitioned = self._open(slot, temporary=temporary)
        self._began = time.monotonic()
        try:
            for table, relation in zip(self._names, relations, strict=True):
                self._start_copy(table, relation, partitioned=table in partitioned)
                while not self._fill(relation.ref):
                    yield self._batch(relations, complete=False)
                    self._wait_for_pace()
            yield self._batch(relations, complete=True)
        finally:
            self.close()

    def close(self) -> None:
        """End the snapshot's transaction."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self, slot: str, *, temporary: bool) -> tuple[tuple[Relation, ...], frozenset[tuple[str, str]]]:
        """Create the slot, import its snapshot, hold the tables still."""
        before = self._catalogue.filenodes([t.ref for t in self._relations()[0]])
        maker = wire.connect(self._dsn, replication=True)
        try:
            kind = "TEMPORARY LOGICAL" if temporary else "LOGICAL"
            new = maker.info.server_version >= 150000
            option = "(SNAPSHOT 'export')" if new else "EXPORT_SNAPSHOT"
            command = f'CREATE_REPLICATION_SLOT "{slot}" {kind} pgoutput {option}'
            _, point, snapshot, _ = wire.run(maker, command, self._dsn, self._interrupt)[0]
            self._at = datetime.now(UTC)
            self.position = position_before(parse_lsn(str(point)))
            self._reader = wire.connect(self._dsn)
            self._import(str(snapshot))
        finally:
            maker.close()
        relations, partitioned = self._relations()
        if self._catalogue.filenodes([r.ref for r in relations]) != before:
            # A rewritten table looks empty to an older snapshot, and a rewrite is not streamed.
            raise SourceUnavailable(
                "a captured table was rewritten or truncated while the snapshot began",
                where=wire.place(self._dsn),
                remedy="the snapshot starts anew",
            )
        return relations, partitioned

    def _import(self, snapshot: str) -> None:
        assert self._reader is not None
        names = sql.SQL(", ").join(sql.Identifier(s, t) for s, t in self._names).as_string(None)
        for command in (
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            f"SET TRANSACTION SNAPSHOT '{snapshot}'",
            f"LOCK TABLE {names} IN ACCESS SHARE MODE",
        ):
            wire.run(self._reader, command, self._dsn, self._interrupt)

    def _relations(self) -> tuple[tuple[Relation, ...], frozenset[tuple[str, str]]]:
        tables = self._catalogue.tables(self._names)
        return present(tables, self._dsn), frozenset((t.schema, t.table) for t in tables if t.kind == "p")

    def _start_copy(self, table: tuple[str, str], relation: Relation, *, partitioned: bool) -> None:
        assert self._reader is not None
        columns = sql.SQL(", ").join(sql.Identifier(c.name) for c in relation.columns)
        # A partitioned table can only be copied as a query; an ordinary one without its inheritance children
        # only as a table.
        form = sql.SQL("COPY (SELECT {1} FROM {0}) TO STDOUT" if partitioned else "COPY {0} ({1}) TO STDOUT")
        wire.run(
            self._reader,
            form.format(sql.Identifier(*table), columns).as_string(None),
            self._dsn,
            self._interrupt,
        )

    def _fill(self, ref: int) -> bool:
        """Read rows until the batch is full (False) or the table ends (True)."""
        assert self._reader is not None
        pgconn, rows = self._reader.pgconn, self._rows
        read, append, limit = pgconn.get_copy_data, rows.append, self._max_rows
        try:
            while True:
                if len(rows) >= limit or self._bytes >= MAX_BATCH_BYTES:
                    return False
                size, line = read(1)
                if size > 0:
                    self._counted += 1
                    self._bytes += size
                    append(RowChange(ref, "r", None, parse_line(bytes(line))))
                elif size < 0:
                    return self._table_ended()
                else:
                    self._interrupt.wait(pgconn.socket, 3600)
                    self._stop_if_told()
                    pgconn.consume_input()
        except psycopg.Error as error:
            raise wire.translated(error, self._dsn) from None

    def _table_ended(self) -> bool:
        assert self._reader is not None
        while (result := self._reader.pgconn.get_result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
        return True

    def _batch(self, relations: tuple[Relation, ...], *, complete: bool) -> CaptureBatch:
        self._stop_if_told()
        piece = TransactionSlice(
            self.position, 0, self._at, tuple(self._rows), self._handed, complete=complete, snapshot=True
        )
        first = self._handed == 0
        batch = CaptureBatch(
            relations if first else (), (piece,), self._counted, self.position if complete else NOTHING_YET
        )
        self._handed += len(self._rows)
        self._rows.clear()
        self._bytes = self._counted = 0
        return batch

    def _wait_for_pace(self) -> None:
        if self._pace:
            self._interrupt.pause(self._began + self._handed / self._pace - time.monotonic())
            self._stop_if_told()

    def _stop_if_told(self) -> None:
        if self._interrupt.told:
            raise wire.Stopped


def present(tables: tuple[CapturedTable, ...], dsn: str) -> tuple[Relation, ...]:
    """The tables' shapes. Raises SourceError when one is missing."""
    missing = [f"{t.schema}.{t.table}" for t in tables if t.relation is None]
    if missing:
        raise SourceError(
            f"there is no table {', '.join(missing)}",
            where=wire.place(dsn),
            remedy="correct the name, or create the table",
        )
    return tuple(t.relation for t in tables if t.relation is not None)
