"""Intake: append what a capture hands over, exactly once, whatever dies.

The store decides where a source resumes. The stream's row is locked, compared with where this reader believes it
stands, and moved on in the transaction that carries the rows; only after that commit may the caller acknowledge the
source.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from agent.errors import LostPosition
from agent.failpoints import failpoint
from agent.inbox.encode import encode_raw, encode_row, printable
from agent.model.changes import (
    CaptureBatch,
    Column,
    ForeignKey,
    Relation,
    ResumePoint,
    RowChange,
    SourceIdentity,
    TransactionSlice,
)
from agent.model.ids import CommitPos
from agent.model.keys import key_text
from agent.store.queries import queries

_SQL = queries("agent.inbox", "intake")


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream stands in the store: the only truth about where its source resumes."""

    snapshot_state: str
    position: int | None
    last_txn: int
    last_seq: int
    open_pos: int | None
    open_rows: int
    cursor: str | None = None

    def resume(self) -> ResumePoint:
        """What the capture is told. An unfinished snapshot has no position: it starts anew."""
        if self.snapshot_state != "done" or self.position is None:
            return ResumePoint(None)
        open_pos = None if self.open_pos is None else CommitPos(self.open_pos)
        return ResumePoint(CommitPos(self.position), open_pos, self.open_rows if open_pos else 0, self.cursor)


@dataclass(slots=True)
class _Pending:
    """What one batch will append."""

    rows: list[tuple[int, int, RowChange]]  # seq, txn_no, change
    txns: list[tuple[int, int, int, datetime, int, int, bool]]
    dropped: int = 0


class Intake:
    """Appends capture batches of one source. One connection, one thread; state is checked against the store each time."""

    def __init__(self, conn: psycopg.Connection[Any], source: str) -> None:
        self._conn = conn
        self._source = source
        with conn.transaction():
            conn.execute(_SQL["create_stream"], (source,))
            conn.execute(_SQL["create_derive_position"], (source,))
        row = conn.execute(_SQL["read_stream"], (source,)).fetchone()
        assert row is not None
        self.stream_id = int(row[0])
        self.incarnation = int(row[1])
        self.identity: tuple[str, int] | None = (row[2], row[3]) if row[2] else None
        self.state = StreamState(*row[4:])
        self._relation_ids: dict[int, tuple[int, Relation]] = {}
        for ref, relation_id, *shape in conn.execute(_SQL["latest_relations"], (self.stream_id,)):
            self._relation_ids[ref] = (relation_id, _relation(ref, *shape))

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The newest shape of every table captured so far."""
        return tuple(relation for _, relation in self._relation_ids.values())

    def pin(self, identity: SourceIdentity) -> None:
        """Record which incarnation of the source this stream follows."""
        with self._conn.transaction():
            self._conn.execute(_SQL["pin_identity"], (identity.system_id, identity.timeline, self.stream_id))
        self.identity = (identity.system_id, identity.timeline)

    def begin_snapshot(self) -> None:
        """Forget the rows of an interrupted snapshot or huge transaction and start a snapshot anew."""
        with self._conn.transaction():
            self._lock()
            open_rows = (self.stream_id, self.state.last_seq)
            dropped = self._conn.execute(_SQL["discard_open_rows"], open_rows).rowcount
            self._conn.execute(_SQL["discard_open_held"], open_rows)
            self._count("rows", "older", dropped)
            self._advance(replace(self.state, snapshot_state="running", open_pos=None, open_rows=0), 0)

    def append(self, batch: CaptureBatch) -> int:
        """Make a batch durable; returns the position that may be acknowledged now.

        Raises LostPosition when another reader moved the stream. Rows that no set survives are held, the rest goes in.
        """
        with self._conn.transaction():
            self._lock()
            known = dict(self._relation_ids)
            self._record_relations(batch.relations, known)
            pending = _Pending([], [])
            state = self.state
            for piece in batch.slices:
                state = self._place(state, piece, pending)
            if state.open_pos is None and state.snapshot_state == "done":
                state = replace(state, position=max(int(batch.end_pos), state.position or 0))
            if batch.cursor is not None:
                state = replace(state, cursor=batch.cursor)
            self._copy(pending.rows, known)
            for oddity in batch.oddities:
                self._conn.execute(_SQL["open_oddity"], (
                    f"record:{self._source}:{oddity.place}", self.stream_id, oddity.what, Jsonb({"place": oddity.place}),
                ))  # fmt: skip
            self._add_txns(pending)
            self._count("rows", "older", pending.dropped)
            before = self.state
            self._advance(state, batch.captured)
            if any(s.changes and not s.complete and not s.snapshot for s in batch.slices):
                failpoint("inside-huge-transaction")
            if batch.slices:
                failpoint("before-intake-commit")
        self._relation_ids = known
        if batch.slices:
            failpoint("after-intake-commit")
        return int(self.state.position or 0) if self.state.open_pos is None else int(before.position or 0)

    # ------------------------------------------------------------------------------------------------ placing

    def _place(self, state: StreamState, piece: TransactionSlice, pending: _Pending) -> StreamState:
        """Number a slice on from where the stream stands; what is durable already is dropped and counted."""
        changes = piece.changes
        if not piece.snapshot and state.position is not None and piece.commit_pos <= state.position:
            pending.dropped += len(changes)
            return state
        done = state.open_rows if state.open_pos == piece.commit_pos else 0
        if done > piece.first_ordinal:
            skip = min(done - piece.first_ordinal, len(changes))
            pending.dropped += skip
            changes = changes[skip:]
        elif done < piece.first_ordinal:
            raise LostPosition(
                f"a slice of transaction {piece.xid} starts at row {piece.first_ordinal}, the store holds {done}",
                where=f"source {self._source}",
            )
        first = state.last_seq + done + 1
        txn_no = state.last_txn + 1
        pending.rows.extend((first + i, txn_no, change) for i, change in enumerate(changes))
        total = done + len(changes)
        if not piece.complete:
            return replace(state, open_pos=int(piece.commit_pos), open_rows=total)
        finished = replace(
            state, position=int(piece.commit_pos), open_pos=None, open_rows=0,
            snapshot_state="done" if piece.snapshot else state.snapshot_state,
        )  # fmt: skip
        if total == 0 and not piece.snapshot:
            return finished
        last = state.last_seq + total
        pending.txns.append((
            txn_no, int(piece.commit_pos), piece.xid, piece.committed_at, state.last_seq + 1, last, piece.snapshot
        ))  # fmt: skip
        return replace(finished, last_txn=txn_no, last_seq=last)

    # ------------------------------------------------------------------------------------------------ writing

    def _lock(self) -> None:
        row = self._conn.execute(_SQL["lock_stream"], (self.stream_id,)).fetchone()
        if row is None or StreamState(*row) != self.state:
            raise LostPosition("another reader moved this stream on", where=f"source {self._source}")

    def _advance(self, state: StreamState, captured: int) -> None:
        self._conn.execute(
            _SQL["advance_stream"],
            {
                "stream_id": self.stream_id, "captured": captured, "snapshot_state": state.snapshot_state,
                "position": state.position, "last_txn": state.last_txn, "last_seq": state.last_seq,
                "open_pos": state.open_pos, "open_rows": state.open_rows, "cursor": state.cursor,
            },
        )  # fmt: skip
        self.state = state

    def _record_relations(
        self, relations: tuple[Relation, ...], known: dict[int, tuple[int, Relation]]
    ) -> None:
        for relation in relations:
            old = known.get(relation.ref)
            if old is not None and old[1] == relation:
                continue
            columns = [asdict(c) for c in relation.columns]
            row = self._conn.execute(
                _SQL["add_relation"],
                (
                    self.stream_id, relation.ref, relation.schema, relation.table, Jsonb(columns),
                    Jsonb([asdict(k) for k in relation.foreign_keys]),
                ),
            ).fetchone()  # fmt: skip
            assert row is not None
            known[relation.ref] = (int(row[0]), relation)

    def _copy(self, rows: list[tuple[int, int, RowChange]], known: dict[int, tuple[int, Relation]]) -> None:
        """COPY all; when a value breaks the set, halve it under savepoints until the breaking rows stand alone."""
        lines: list[bytes] = []
        kept: list[tuple[int, int, RowChange]] = []
        for seq, txn_no, change in rows:
            try:
                lines.append(encode_row(self.stream_id, seq, txn_no, known[change.ref][0], change))
                kept.append((seq, txn_no, change))
            except UnicodeEncodeError as error:
                self._hold(seq, txn_no, change, known, f"not valid text: {error.reason}")
        self._copy_lines(lines, kept, known)

    def _copy_lines(
        self,
        lines: list[bytes],
        rows: list[tuple[int, int, RowChange]],
        known: dict[int, tuple[int, Relation]],
    ) -> None:
        if not lines:
            return
        try:
            with self._conn.transaction(), self._conn.cursor() as cur, cur.copy(_SQL["copy_rows"]) as copy:
                copy.write(b"".join(lines))
        except psycopg.errors.DataError as error:
            if len(lines) == 1:
                self._hold(*rows[0], known, str(error).splitlines()[0])
                return
            half = len(lines) // 2
            self._copy_lines(lines[:half], rows[:half], known)
            self._copy_lines(lines[half:], rows[half:], known)

    def _hold(
        self, seq: int, txn_no: int, change: RowChange, known: dict[int, tuple[int, Relation]], error: str
    ) -> None:
        relation_id, relation = known[change.ref]
        values = change.new or change.old or ()
        key = key_text(printable(values[i]) for i in relation.key_indexes)
        subject = f"row:{self._source}:{relation.schema}.{relation.table}:{key}"
        self._conn.execute(
            _SQL["hold_row"],
            (self.stream_id, seq, txn_no, relation_id, change.op, encode_raw(change), key, error),
        )
        self._conn.execute(_SQL["open_exception"], (
            subject, self.stream_id, f"a row of {relation.schema}.{relation.table} cannot be stored: {error}",
            "correct the row in the source; its next change closes this", Jsonb({"key": key, "seq": seq}),
        ))  # fmt: skip
        self._count("rows", "held", 1)

    def _add_txns(self, pending: _Pending) -> None:
        if pending.txns:
            columns = [list(c) for c in zip(*pending.txns, strict=True)]
            self._conn.execute(_SQL["add_txn"], (*columns, self.stream_id))

    def _count(self, ledger: str, item: str, n: int) -> None:
        if n:
            self._conn.execute(_SQL["count"], (ledger, self._source, item, n))


def _relation(
    ref: int, schema: str, table: str, columns: list[dict[str, Any]], keys: list[dict[str, Any]]
) -> Relation:
    return Relation(ref, schema, table, tuple(Column(**c) for c in columns), tuple(ForeignKey.read(k) for k in keys))
