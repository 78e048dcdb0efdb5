"""What staging hands to merging: a range of the inbox, one table's part of it, and the counts of what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agent.mirror.statements import TableStatements
from agent.mirror.tables import MirrorTable
from agent.model.mapping import TableName


@dataclass(frozen=True, slots=True)
class Range:
    """A run of whole transactions in the inbox: their row numbers, inclusive."""

    stream_id: int
    incarnation: int
    first: int
    last: int

    def params(self, **more: Any) -> dict[str, Any]:
        """Statement parameters."""
        return {
            "stream": self.stream_id,
            "inc": self.incarnation,
            "first": self.first,
            "last": self.last,
        } | more


@dataclass(slots=True)
class StagedTable:
    """One table's part of a batch after folding; `staged` is the relation {changed} of the affected statements.

    rows: captured ones. acted: what foreign keys did to the table without being captured.
    """

    table: MirrorTable
    relation_id: int
    statements: TableStatements
    rows: int
    truncates: int
    last_truncate: int
    unchanged: bool
    old_keys: bool
    last_txn: int
    held: int
    acted: int
    main: int = 0
    folded: int = 0

    @property
    def staged(self) -> str:
        """Temporary relation holding one row per touched key, with _txn and _seq of its last change."""
        return self.statements.staged

    @property
    def name(self) -> TableName:
        """The captured table."""
        return self.table.name

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The key's columns, in table order."""
        return tuple(c.name for c in self.table.key)

    def text(self, name: str, **options: Any) -> bytes:
        """A statement over this part, filled."""
        return self.statements.text(name, acted=self.acted > 0, **options)


@dataclass(slots=True)
class RowCounts:
    """What became of a batch's row changes: the right side of the row ledger, and effects counted apart."""

    items: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
