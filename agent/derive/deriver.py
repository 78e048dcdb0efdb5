"""The derive transaction: the next whole source transactions, from inbox to wanted records, in one commit.

    lock the position · affected before · key moves · merge · affected after · evaluate · decide · write · advance · commit

The mirror is never ahead of the deriver: what one commit cannot evaluate is left in coexist.dirty, and nothing more of
the source is merged until that is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from agent.derive.affected import Affected, Staged
from agent.derive.batch import Txn, cut_at_shape_change, take
from agent.derive.entities import Entities
from agent.derive.evaluate import Difference
from agent.derive.keys import SourceKeys, TooLate
from agent.derive.ports import DecideStage, MirrorStage
from agent.derive.steps import StepCutter
from agent.derive.tables import MappingTables
from agent.derive.working import WHOLE, WorkingTables
from agent.failpoints import failpoint
from agent.model.entities import Transaction
from agent.store.queries import queries

_SQL = queries("agent.derive", "derive")

Pair = tuple[Sequence[str], Sequence[str]]  # old key, new key
NetMoves = Callable[[Sequence[Pair]], Sequence[Pair]]


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did. `transactions` 0 and `entities` 0: nothing was waiting."""

    transactions: int = 0
    rows: int = 0
    entities: int = 0
    changed: int = 0

    @property
    def worked(self) -> bool:
        """Did anything move?"""
        return self.transactions > 0 or self.entities > 0


class Deriver:
    """One fenced deriver of one source. Every `step` is one store transaction."""

    def __init__(
        self, conn: psycopg.Connection[Any], stream_id: int, tables: Sequence[MappingTables], affected: Affected,
        mirror: MirrorStage, decider: DecideStage, keys: SourceKeys, cutter: StepCutter, net_moves: NetMoves,
        *, batch_rows: int, slice_entities: int, on_commit: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._conn = conn
        self._stream_id = stream_id
        self._tables = list(tables)
        self._affected = affected
        self._mirror = mirror
        self._decider = decider
        self._keys = keys
        self._cutter = cutter
        self._net_moves = net_moves
        self._batch_rows = batch_rows
        self._on_commit = on_commit
        self._working = WorkingTables(conn)
        self.entities = Entities(conn, stream_id, decider, keys, self._working, slice_entities)
        self._fence: int | None = None
        self._results = (0, 0)  # entities, changed of the batch in hand
        self._span: tuple[int, int] | None = None  # row numbers of the batch in hand

    def step(self) -> Progress:
        """One derive transaction. Raises what breaks all of it; the store is then as it was.

        Rows of which a value breaks the set are held, and the batch is begun again without them. It is begun again in one
        piece when a part of it came too late for those before.
        """
        held = False
        try:
            while True:
                try:
                    return self._attempt()
                except (psycopg.errors.DataError, psycopg.errors.NotNullViolation):
                    if held or not self._isolate():
                        raise
                    held = True
                except TooLate:
                    if self.entities.whole:
                        raise
                    self.entities.whole = True
        finally:
            self.entities.whole = False

    def _isolate(self) -> int:
        if self._span is None:
            return 0
        with self._conn.transaction():
            self._conn.execute(_SQL["lock_position"], (self._stream_id,))
            return self._mirror.isolate(*self._span)

    def _attempt(self) -> Progress:
        self._span = None
        try:
            with self._conn.transaction():
                progress = self._step()
                self._decider.write_counts()
                self._working.empty(max(progress.rows, progress.entities))
                if progress.worked:
                    failpoint("before-derive-commit")
        except BaseException:
            # What an aborted transaction remembered about keys and shapes never happened.
            self._fence = None
            self._decider.forget_counts()
            self._working.forget()
            if not self._conn.closed and not self._conn.broken:
                self._keys.reload()
                self._mirror.forget()
            raise
        if progress.worked:
            failpoint("after-derive-commit")
            self._on_commit()
        return progress

    def _step(self) -> Progress:
        row = self._conn.execute(_SQL["lock_position"], (self._stream_id,), prepare=True).fetchone()
        assert row is not None
        if row[4] != self._fence:
            # Another deriver was here since: what this one remembers about keys and the mirror's shape may be old.
            self._keys.reload()
            self._mirror.reload()
        pending = self._conn.execute(_SQL["pending_dirty"], (self._stream_id,), prepare=True).fetchone()
        if pending is not None:
            progress = self._slice_of(pending[0], pending[1], baseline_done=bool(row[3]))
        else:
            progress = self._batch(int(row[0]), bool(row[3]))
        # A step that moved nothing leaves the fence as it was: an idle deriver does not read all its keys again.
        self._fence = row[4] + progress.worked
        return progress

    # ------------------------------------------------------------------------------------------------ batches

    def _batch(self, position: int, baseline_done: bool) -> Progress:
        rows = self._conn.execute(
            _SQL["next_transactions"], (self._stream_id, position, self._batch_rows), prepare=True
        ).fetchall()
        batch = take([Txn(*r) for r in rows], self._batch_rows)
        if not batch:
            return Progress()
        self._span = (batch[0].first_seq, batch[-1].last_seq)
        # Never two in one batch: a new incarnation begins with a snapshot, and that is a batch of its own.
        self._mirror.incarnation = batch[0].incarnation
        if batch[0].snapshot:
            self._snapshot(batch[0], baseline_done)
        else:
            batch = self._cut(batch)
            self._stream(batch)
        last = batch[-1]
        self._conn.execute(
            _SQL["advance"], (last.txn_no, last.last_seq, last.commit_pos, self._stream_id), prepare=True
        )
        return Progress(len(batch), last.last_seq - batch[0].first_seq + 1, *self._results)

    def _cut(self, batch: list[Txn]) -> list[Txn]:
        if len(batch) == 1:
            return batch
        seen = self._conn.execute(
            _SQL["relations_in"], (self._stream_id, batch[0].first_seq, batch[-1].last_seq), prepare=True
        ).fetchall()
        batch = cut_at_shape_change(batch, [(r[0], f"{r[1]}.{r[2]}", r[3]) for r in seen])
        tables = {f"{r[1]}.{r[2]}": r[3] for r in seen}
        return self._cutter.cut(batch, tables)

    def _stream(self, batch: Sequence[Txn]) -> None:
        first, last = batch[0].first_seq, batch[-1].last_seq
        self._results = (0, 0)
        if last < first:
            return
        staged = self._mirror.stage(first, last)
        touched = self._affected.touched(staged)
        self._working.use([p.staged for p in staged] + [name for t in touched for name in t.working])
        self._affected.mark(staged, after=False)
        evicted = self._move_keys(staged, first, last, batch[-1].txn_no)
        self._mirror.merge(first, last, staged)
        self._affected.mark(staged, after=True)
        transactions = {t.txn_no: Transaction(*t[:4], t.incarnation) for t in batch}
        transactions[0] = transactions[batch[-1].txn_no]
        self._results = self.entities.derive(touched, transactions, "live", evicted)

    def _move_keys(
        self, staged: Sequence[Staged], first: int, last: int, txn_no: int
    ) -> dict[str, list[Difference]]:
        evicted: dict[str, list[Difference]] = {}
        for part in staged:
            rooted = [t for t in self._tables if t.mapping.root == part.name]
            changes = self._mirror.key_changes(part, first, last) if rooted else []
            for tables in rooted if changes else []:
                moves = self._net(tables, part, changes)
                if moves:
                    evicted[tables.mapping.name] = self._keys.move(tables, moves, txn_no)
        return evicted

    def _net(
        self, tables: MappingTables, part: Staged, changes: list[tuple[list[str], list[str], int]]
    ) -> Sequence[Pair]:
        # The mirror lists keys in its own column order, the mapping in that of its key.
        order = [part.key_columns.index(k.column) for k in tables.mapping.key]
        arranged = [([old[i] for i in order], [new[i] for i in order]) for old, new, _ in changes]
        return self._net_moves(arranged)

    def _snapshot(self, txn: Txn, baseline_done: bool) -> None:
        """Merge a whole snapshot; every entity that it or the state so far knows is evaluated, slice by slice."""
        self._results = (0, 0)
        self._mirror.merge_snapshot(txn.first_seq, txn.last_seq, txn.commit_pos)
        cause = "live" if baseline_done else "baseline"
        for tables in self._tables:
            params = {"txn": txn.txn_no, "own": True}
            # One that was only ever an exception, and was deleted unseen, stands in neither.
            self._decider.close_exceptions(tables.mapping.name)
            self._working.use(tables.working)
            self._conn.execute(tables.text("mark_every_root"), params)
            self._conn.execute(tables.text("mark_every_state"), params)
            self.entities.put_off(tables, cause, txn.txn_no)
        if not baseline_done and not self._any_pending():
            self._conn.execute(_SQL["baseline_done"], (self._stream_id,))

    def prune(self) -> None:
        """Forget inbox rows that are derived. Their transactions stay: the trace and completeness need them."""
        with self._conn.transaction():
            row = self._conn.execute(
                "SELECT seq FROM coexist.derive_position WHERE stream_id = %s", (self._stream_id,)
            ).fetchone()
            if row is not None:
                self._conn.execute(_SQL["prune_inbox"], (self._stream_id, row[0]))

    def derive_again(self, names: Sequence[str], cause: str) -> None:
        """Mark every entity of the named mappings: `remap` where a new version of them was activated, `replay` where
        the rules that their entities are decided by have changed.
        """
        with self._conn.transaction():
            row = self._conn.execute(_SQL["lock_position"], (self._stream_id,)).fetchone()
            assert row is not None
            for tables in self._tables:
                if tables.mapping.name in names:
                    params = {"txn": row[0], "own": False}
                    self._working.use(tables.working)
                    self._conn.execute(tables.text("mark_every_root"), params)
                    self._conn.execute(tables.text("mark_every_state"), params)
                    self.entities.put_off(tables, cause, row[0])
            self._working.empty(WHOLE)
            self._decider.write_counts()

    # ------------------------------------------------------------------------------------------------ slices

    def _slice_of(self, mapping: str, cause: str, *, baseline_done: bool) -> Progress:
        tables = next((t for t in self._tables if t.mapping.name == mapping), None)
        if tables is None:
            # The mapping was taken out of the configuration.
            taken, changed = self.entities.drop(mapping), 0
        else:
            taken, changed = self.entities.slice(tables, cause)
        self._conn.execute(_SQL["passed"], (self._stream_id,))
        if not self._any_pending():
            self._decider.settle_causes()
            if not baseline_done:
                self._conn.execute(_SQL["baseline_done"], (self._stream_id,))
        return Progress(entities=taken, changed=changed)

    def _any_pending(self) -> bool:
        return self._conn.execute(_SQL["pending_dirty"], (self._stream_id,)).fetchone() is not None
