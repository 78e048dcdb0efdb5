"""The capture port over PostgreSQL's own logical replication: no broker, no JVM, one socket.

Positions are starts of commit records (agent.capture.postgres.lsn). `stream(resume)` yields exactly the
transactions whose position is greater than `resume.position`; what the server delivers again below that is
dropped here and not counted. Of the transaction at `resume.open_pos` the first `open_rows` row changes are
dropped likewise.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.capture.postgres import setup, wire
from agent.capture.postgres.assemble import Assembler
from agent.capture.postgres.catalogue import Catalogue, TableNames
from agent.capture.postgres.checks import Checks
from agent.capture.postgres.lsn import parse_lsn, position_before
from agent.capture.postgres.replication import ReplicationStream
from agent.capture.postgres.snapshot import Snapshot, present
from agent.failpoints import failpoint
from agent.model.changes import CaptureBatch, Relation, ResumePoint, SourceIdentity
from agent.model.ids import CommitPos
from agent.ports import Observer


class PostgresCapture:
    """Implements agent.ports.Capture. An `interrupt` or `close` is final: make a new object to go on. After
    SourceUnavailable the same object goes on: check, then stream again.

    create: make publication and slot as needed; else they are the DBA's, made from `setup_sql`.
    slot_grace_seconds: how long a slot may still be held by a predecessor whose end the server has not
    noticed.
    """

    def __init__(
        self,
        dsn: str,
        *,
        publication: str,
        slot: str,
        tables: TableNames,
        create: bool,
        max_slice_rows: int = 8192,
        snapshot_rows_per_second: int | None = None,
        idle_seconds: float = 2.0,
        observer: Observer | None = None,
        slot_grace_seconds: float = 5.0,
    ) -> None:
        self._dsn, self._publication, self._slot, self._tables = dsn, publication, slot, tables
        self._create, self._max_rows, self._pace = create, max_slice_rows, snapshot_rows_per_second
        self._idle, self._grace, self._observer = idle_seconds, slot_grace_seconds, observer
        self._interrupt = wire.Interrupt()
        self._catalogue = Catalogue(dsn)
        self._checks = Checks(
            dsn, self._catalogue, publication, slot, tables, create=create, pause=self._interrupt.pause
        )
        self._stream: ReplicationStream | None = None
        self._run: Snapshot | None = None
        self._snapshot_end: CommitPos | None = None

    def __repr__(self) -> str:
        return f"PostgresCapture({wire.place(self._dsn)}, slot={self._slot})"

    def setup_sql(self, role: str = "coexist") -> str:
        """What a DBA runs in the source where we may not create anything ourselves."""
        return setup.setup_sql(self._publication, self._slot, self._tables, role)

    def check(self, resume: ResumePoint) -> SourceIdentity:
        """See the port. The caller compares system id and timeline with what it knows."""
        self._checks.server_fits(resume)
        conn = wire.connect(self._dsn, replication=True)
        try:
            system, timeline, at, _ = wire.run(conn, "IDENTIFY_SYSTEM", self._dsn)[0]
        finally:
            conn.close()
        flushed = parse_lsn(str(at))
        self._checks.tables_and_slot_fit(resume, flushed, self._grace)
        return SourceIdentity(str(system), int(timeline or 0), position_before(flushed))

    def relations(self) -> tuple[Relation, ...]:
        """See the port. Raises SourceError when a table is missing."""
        return present(self._catalogue.tables(self._tables), self._dsn)

    def snapshot(self, after: CommitPos | None = None) -> Iterator[CaptureBatch]:
        """See the port. Only the last batch's end_pos may be acknowledged; the earlier ones carry 0."""
        self._tell("snapshot starts")
        self._run = run = Snapshot(
            self._dsn,
            self._catalogue,
            self._tables,
            self._interrupt,
            max_rows=self._max_rows,
            pace=self._pace,
        )
        slot = self._prepare()
        try:
            for batch in run.batches(slot, temporary=not self._create):
                if batch.slices[-1].complete:
                    self._snapshot_end = batch.end_pos
                yield batch
                failpoint("snapshot-mid")
        except wire.Stopped:
            return
        finally:
            run.close()

    def stream(self, resume: ResumePoint) -> Iterator[CaptureBatch]:
        """See the port."""
        try:
            stream = self._start(resume)
        except wire.Stopped:
            return
        self._stream = stream
        try:
            while (batch := stream.next_batch()) is not None:
                yield batch
        finally:
            self._stream = None
            stream.close()

    def acknowledge(self, position: CommitPos) -> None:
        """See the port. Told to the server with the next status update."""
        if self._stream is not None:
            self._stream.acknowledge(position)
        if position == self._snapshot_end:
            self._snapshot_end = None
            failpoint("snapshot-handoff")

    def interrupt(self) -> None:
        """See the port."""
        self._interrupt.tell()

    def close(self) -> None:
        """See the port."""
        self._interrupt.tell()
        if self._stream is not None:
            self._stream.close()
        if self._run is not None:
            self._run.close()
        self._catalogue.close()

    def _prepare(self) -> str:
        """Publication and an empty place for the slot; returns the name of the slot to make for the
        snapshot."""
        self._checks.slot_fits(ResumePoint(None), self._grace)
        if not self._create:
            return f"{self._slot[:54]}_snapshot"  # names end at 63 bytes
        # Before the slot: changes are published by what the publication was when they were committed.
        setup.ensure_publication(self._dsn, self._catalogue, self._publication, self._tables)
        if self._catalogue.slot(self._slot) is not None:
            # Ours by name, and whoever asks for a snapshot has nothing that this slot could continue.
            setup.drop_slot(self._dsn, self._slot)
        return self._slot

    def _start(self, resume: ResumePoint) -> ReplicationStream:
        self._checks.slot_fits(resume, self._grace)
        conn = wire.connect(self._dsn, replication=True)
        stream = ReplicationStream(
            conn,
            self._dsn,
            resume,
            Assembler(resume, self._catalogue.describe),
            self._interrupt,
            max_rows=self._max_rows,
            idle_seconds=self._idle,
        )
        try:
            stream.start(self._slot, self._publication)
        except BaseException:
            conn.close()
            raise
        self._tell("stream starts")
        return stream

    def _tell(self, message: str) -> None:
        if self._observer is not None:
            self._observer.event("info", message, slot=self._slot, source=wire.place(self._dsn))
