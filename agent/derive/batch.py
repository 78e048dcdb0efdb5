"""Which whole transactions come next, and where a batch must be cut (pure, over rows read from the inbox)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Txn(NamedTuple):
    """One complete source transaction in the inbox."""

    txn_no: int
    commit_pos: int
    xid: int
    committed_at: datetime
    first_seq: int
    last_seq: int
    snapshot: bool
    incarnation: int = 1

    @property
    def rows(self) -> int:
        """Row changes it holds."""
        return self.last_seq - self.first_seq + 1


@dataclass(frozen=True, slots=True)
class Touch:
    """What one row change means for a document: its key (None: any, it cannot be told) and whether its step changed."""

    txn_no: int
    key: str | None
    step_changed: bool


def take(transactions: Sequence[Txn], limit: int) -> list[Txn]:
    """As many transactions as `limit` rows hold, at least one; a snapshot always alone."""
    taken: list[Txn] = []
    total = 0
    for txn in transactions:
        if taken and (total + txn.rows > limit or txn.snapshot):
            break
        taken.append(txn)
        total += txn.rows
        if txn.snapshot:
            break
    return taken


def cut_at_shape_change(transactions: Sequence[Txn], seen: Iterable[tuple[int, str, int]]) -> list[Txn]:
    """Cut before the first transaction in which a table appears in another shape than earlier in the batch.

    seen: (txn_no, table, relation id) in transaction order.
    """
    shapes: dict[str, int] = {}
    for txn_no, table, relation in seen:
        if shapes.setdefault(table, relation) != relation:
            kept = [t for t in transactions if t.txn_no < txn_no]
            # Two shapes inside one transaction: it goes alone, its rows merge shape by shape.
            return kept or list(transactions[:1])
    return list(transactions)


def cut_at_step(transactions: Sequence[Txn], touches: Iterable[Touch]) -> list[Txn]:
    """Cut so that no step of a document is folded into another transaction's change of it.

    Before a transaction that changes a step of a document touched earlier in the batch, and before one that touches
    a document whose step changed earlier in the batch.
    """
    touched: set[str] = set()
    stepped: set[str] = set()
    anything = False
    by_txn: dict[int, list[Touch]] = {}
    for touch in touches:
        by_txn.setdefault(touch.txn_no, []).append(touch)
    for txn_no in sorted(by_txn):
        now = by_txn[txn_no]
        for touch in now:
            late_step = touch.step_changed and (anything or touch.key is None or touch.key in touched)
            after_step = bool(stepped) and (touch.key is None or touch.key in stepped)
            if (late_step and (touched or anything)) or after_step:
                return [t for t in transactions if t.txn_no < txn_no]
        for touch in now:
            if touch.key is None:
                anything = True
            else:
                touched.add(touch.key)
                if touch.step_changed:
                    stepped.add(touch.key)
    return list(transactions)


def step_touches(
    rows: Iterable[tuple[int, str | None, bool, str | None]], known: Mapping[str, str | None]
) -> list[Touch]:
    """Row changes of a document's own tables → touches.

    rows: (txn_no, document key or None, is the root row, step value or None when unknown); known: step per key as the
    mirror has it. A first row of a new document is no change of step.
    """
    steps = dict(known)
    found = []
    for txn_no, key, is_root, step in rows:
        changed = False
        if is_root and key is not None:
            changed = key in steps and step is not None and steps[key] != step
            if step is not None:
                steps[key] = step
        found.append(Touch(txn_no, key, changed))
    return found
