"""The derive transaction: the next whole source transactions, from inbox to wanted records, in one commit.

    lock the position · affected before · key moves · merge · affected after · evaluate · decide · write · advance · commit

The mirror is never ahead of the deriver: what one commit cannot evaluate is left in coexist.dirty, and nothing more of
the source is merged until that is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from agent.derive.affected import Affected, Staged
from agent.derive.batch import Txn, cut_at_shape_change, take
from agent.derive.changes import identify
from agent.derive.evaluate import Difference, Evaluation, evaluate
from agent.derive.keys import SourceKeys
from agent.derive.ports import DecideStage, MirrorStage
from agent.derive.steps import StepCutter
from agent.derive.tables import MappingTables
from agent.derive.working import WHOLE, WorkingTables
from agent.failpoints import failpoint
from agent.model.entities import EntityChange, Transaction
from agent.store.arrays import plain
from agent.store.queries import queries

_SQL = queries("agent.derive", "derive")
# Entities put off are evaluated so many at a time: states old and new stand in memory, documents with all their lines.
_AT_ONCE = 2048

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
        self._slice = slice_entities
        self._on_commit = on_commit
        self._working = WorkingTables(conn)
        self._fence: int | None = None
        self._results = (0, 0)  # entities, changed of the batch in hand
        self._span: tuple[int, int] | None = None  # row numbers of the batch in hand

    def step(self) -> Progress:
        """One derive transaction. Raises what breaks all of it; the store is then as it was.

        Rows of which a value breaks the set are held, and the batch is begun again without them.
        """
        try:
            return self._attempt()
        except (psycopg.errors.DataError, psycopg.errors.NotNullViolation):
            if not self._isolate():
                raise
        return self._attempt()

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
        self._evaluate_or_put_off(touched, transactions, "live", evicted)

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
            self._put_off(tables, cause, txn.txn_no)
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
                    self._put_off(tables, cause, row[0])
            self._working.empty(WHOLE)
            self._decider.write_counts()

    # ------------------------------------------------------------------------------------------------ entities

    def _evaluate_or_put_off(
        self, touched: Sequence[MappingTables], transactions: Mapping[int, Transaction], cause: str,
        evicted: Mapping[str, list[Difference]],
    ) -> None:  # fmt: skip
        counts = {t.mapping.name: self._count(t) for t in touched}
        total = sum(counts.values())
        if total > self._slice:
            for tables in touched:
                # An eviction belongs to this very transaction; the rest of the mapping may wait.
                self._finish(
                    tables,
                    Evaluation(),
                    evicted.get(tables.mapping.name, []),
                    transactions,
                    cause,
                    counting=True,
                )
                self._put_off(tables, cause, transactions[0].txn_no)
            return
        changed = 0
        for tables in touched:
            n = counts[tables.mapping.name]
            if n or evicted.get(tables.mapping.name):
                self._decider.count_affected(n)
                evaluation = evaluate(self._conn, tables) if n else Evaluation()
                gone = evicted.get(tables.mapping.name, [])
                changed += self._finish(tables, evaluation, gone, transactions, cause, counting=False)
        self._results = (total, changed)

    def _put_off(self, tables: MappingTables, cause: str, last: int) -> None:
        made = self._conn.execute(
            tables.text("put_off"),
            {"stream": self._stream_id, "mapping": tables.mapping.name, "cause": cause, "last": last},
        ).rowcount
        self._decider.count_affected(made)

    def _slice_of(self, mapping: str, cause: str, *, baseline_done: bool) -> Progress:
        tables = next((t for t in self._tables if t.mapping.name == mapping), None)
        if tables is None:
            # The mapping was taken out of the configuration.
            gone = self._conn.execute(
                "DELETE FROM coexist.dirty WHERE stream_id = %s AND mapping = %s", (self._stream_id, mapping)
            ).rowcount
            self._decider.count_affected(-gone)
            self._end_slice(baseline_done=baseline_done)
            return Progress(entities=gone)
        self._working.use(tables.working)
        row = self._conn.execute(
            tables.text("take_slice"),
            {
                "stream": self._stream_id,
                "mapping": mapping,
                "cause": cause,
                "limit": min(self._slice, _AT_ONCE),
            },
        ).fetchone()
        taken, doubled = (int(row[0]), int(row[1])) if row else (0, 0)
        self._decider.count_affected(-doubled)
        evaluation = evaluate(self._conn, tables, everything=cause == "replay")
        numbers = {d.txn_no for d in evaluation.changed} | {b[1] for b in evaluation.broken}
        transactions = {
            r[0]: Transaction(*r)
            for r in self._conn.execute(
                _SQL["transactions_by_number"], (self._stream_id, list(numbers))
            ).fetchall()
        }
        changed = self._finish(tables, evaluation, [], transactions, cause, counting=True)
        self._end_slice(baseline_done=baseline_done)
        return Progress(entities=taken, changed=changed)

    def _end_slice(self, *, baseline_done: bool) -> None:
        self._conn.execute(_SQL["passed"], (self._stream_id,))
        if not self._any_pending():
            self._decider.settle_causes()
            if not baseline_done:
                self._conn.execute(_SQL["baseline_done"], (self._stream_id,))

    def _any_pending(self) -> bool:
        return self._conn.execute(_SQL["pending_dirty"], (self._stream_id,)).fetchone() is not None

    def _finish(
        self, tables: MappingTables, evaluation: Evaluation, evicted: Sequence[Difference],
        transactions: Mapping[int, Transaction], cause: str, *, counting: bool,
    ) -> int:  # fmt: skip
        """Ids, decision, writing, and the new derived state of one mapping."""
        if not evicted and not evaluation.changed and not evaluation.broken and not evaluation.unchanged:
            return 0
        changes = identify(self._keys, tables, evaluation, evicted, cause)
        return self._decider.decide(
            tables.mapping.name,
            changes,
            transactions,
            cause,
            evaluation,
            partial(self._keep, tables),
            counting=counting,
        )

    def _keep(self, tables: MappingTables, accepted: Sequence[EntityChange]) -> None:
        kept = [c for c in accepted if c.new is not None]
        if kept:
            params = {"numbers": plain(c.number for c in kept), "ids": plain(c.entity_id for c in kept)}
            written = self._conn.execute(tables.text("keep"), params, prepare=True).rowcount
            self._decider.count_changed(written)
        gone = [c.entity_id for c in accepted if c.new is None]
        if gone:
            # An evicted one has lost its row to the key's new bearer already: an effect, not an affected key.
            buried = self._conn.execute(tables.text("bury"), {"ids": plain(gone)}, prepare=True).rowcount
            self._decider.count_changed(buried)

    def _count(self, tables: MappingTables) -> int:
        row = self._conn.execute(tables.text("count_dirty"), prepare=True).fetchone()
        return int(row[0]) if row else 0
