"""The entities that a batch touched, or that were put off: evaluated in parts, decided, and their new state kept.

All of it inside the deriver's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import psycopg

from agent.derive.changes import identify
from agent.derive.evaluate import Difference, Evaluation, Range, evaluate, ranges
from agent.derive.keys import SourceKeys
from agent.derive.ports import DecideStage
from agent.derive.tables import MappingTables
from agent.derive.working import WorkingTables
from agent.errors import StoreError
from agent.model.entities import EntityChange, Part, Transaction
from agent.store.arrays import plain, texts
from agent.store.queries import queries

_SQL = queries("agent.derive", "derive")
# Entities put off are evaluated so many at a time: states old and new stand in memory, documents with all their lines.
_AT_ONCE = 2048
# So many are decided while the store evaluates the next ones and takes in those before.
_PART = 512


class Entities:
    """Of one source, on its deriver's connection.

    part_size: entities of a mapping are evaluated and decided so many at a time. whole: all at once, however many.
    """

    def __init__(
        self, conn: psycopg.Connection[Any], stream_id: int, decider: DecideStage, keys: SourceKeys, working: WorkingTables,
        slice_entities: int,
    ) -> None:  # fmt: skip
        self._conn = conn
        self._stream_id = stream_id
        self._decider = decider
        self._keys = keys
        self._working = working
        self._slice = slice_entities
        self.part_size = _PART
        self.whole = False

    def derive(
        self, touched: Sequence[MappingTables], transactions: Mapping[int, Transaction], cause: str,
        evicted: Mapping[str, list[Difference]],
    ) -> tuple[int, int]:  # fmt: skip
        """Evaluate what is dirty in these mappings, or put it off if it is too much; (entities, changed)."""
        counts = {t.mapping.name: self._count(t) for t in touched}
        total, changed = sum(counts.values()), 0
        put_off = total > self._slice
        for tables in touched:
            name = tables.mapping.name
            n, gone = counts[name], evicted.get(name, [])
            if not put_off:
                self._decider.count_affected(n)
            # An eviction belongs to this very transaction; the rest of the mapping may wait.
            changed += self._finish(tables, 0 if put_off else n, gone, transactions, cause, counting=put_off)
            if put_off:
                self.put_off(tables, cause, transactions[0].txn_no)
        return (0, 0) if put_off else (total, changed)

    def put_off(self, tables: MappingTables, cause: str, last: int) -> None:
        """Leave the dirty keys of a mapping to later slices. last: transaction of those that name none."""
        made = self._conn.execute(
            tables.text("put_off"),
            {"stream": self._stream_id, "mapping": tables.mapping.name, "cause": cause, "last": last},
        ).rowcount
        self._decider.count_affected(made)

    def drop(self, mapping: str) -> int:
        """Forget what was put off of a mapping that is no more; how many."""
        gone = self._conn.execute(
            "DELETE FROM coexist.dirty WHERE stream_id = %s AND mapping = %s", (self._stream_id, mapping)
        ).rowcount
        self._decider.count_affected(-gone)
        return gone

    def slice(self, tables: MappingTables, cause: str) -> tuple[int, int]:
        """The next entities that were put off; (entities, changed)."""
        self._working.use(tables.working)
        row = self._conn.execute(
            tables.text("take_slice"),
            {
                "stream": self._stream_id,
                "mapping": tables.mapping.name,
                "cause": cause,
                "limit": min(self._slice, _AT_ONCE),
            },
        ).fetchone()
        taken, doubled = (int(row[0]), int(row[1])) if row else (0, 0)
        self._decider.count_affected(-doubled)
        numbers = [r[0] for r in self._conn.execute(tables.text("txns_of_dirty")).fetchall()]
        found = self._conn.execute(_SQL["transactions_by_number"], (self._stream_id, numbers)).fetchall()
        transactions = {r[0]: Transaction(*r) for r in found}
        return taken, self._finish(tables, taken - doubled, [], transactions, cause, counting=True)

    def _finish(
        self, tables: MappingTables, n: int, evicted: Sequence[Difference], transactions: Mapping[int, Transaction],
        cause: str, *, counting: bool,
    ) -> int:  # fmt: skip
        """Evaluation, ids, decision, writing, and the new derived state of one mapping; how many were accepted."""
        if not n and not evicted:
            return 0
        spans = ranges(self._conn, tables, n, n if self.whole else self.part_size)
        seen: set[str] = set()

        def part(span: Range, gone: Sequence[Difference]) -> Part:
            evaluation = evaluate(self._conn, tables, span, everything=cause == "replay") if n else Evaluation()
            return identify(self._keys, tables, evaluation, gone, cause, seen)

        parts = [partial(part, span, () if number else evicted) for number, span in enumerate(spans)]
        if len(parts) > 1:
            self._keys.watch()
        accepted = self._decider.decide(
            tables.mapping.name, parts, transactions, cause, partial(self._keep, tables), counting=counting
        )
        self._keys.settle()
        return accepted

    def _keep(self, tables: MappingTables, accepted: Sequence[EntityChange]) -> None:
        kept = [c for c in accepted if c.new is not None]
        new, known = [c for c in kept if c.stand is None], [c for c in kept if c.stand is not None]
        if new:
            params = {"rows": texts(c.row for c in new), "ids": plain(c.entity_id for c in new)}
            self._kept(tables, len(new), self._conn.execute(tables.text("keep_new"), params, prepare=True).rowcount)
        if known:
            params = {"rows": texts(c.row for c in known), "stands": texts(c.stand for c in known)}
            self._kept(tables, len(known), self._conn.execute(tables.text("keep_known"), params, prepare=True).rowcount)
        gone = [c.entity_id for c in accepted if c.new is None]
        if gone:
            # An evicted one has lost its row to the key's new bearer already: an effect, not an affected key.
            buried = self._conn.execute(tables.text("bury"), {"ids": plain(gone)}, prepare=True).rowcount
            self._decider.count_changed(buried)

    def _kept(self, tables: MappingTables, wanted: int, written: int) -> None:
        if written != wanted:
            raise StoreError(
                f"{wanted} rows of the derived state were to be written, and {written} were",
                where=f"mapping {tables.mapping.name}",
                remedy="nothing was committed; somebody else may be writing to the store's tables",
            )
        self._decider.count_changed(written)

    def _count(self, tables: MappingTables) -> int:
        row = self._conn.execute(tables.text("count_dirty"), prepare=True).fetchone()
        return int(row[0]) if row else 0
