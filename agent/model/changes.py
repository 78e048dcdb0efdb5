"""Capture → inbox: row changes, source transactions, positions.

A row's values are texts in the order of `Relation.columns`, exactly as the source prints them; None is SQL NULL,
UNCHANGED is a large value that the source did not send because the statement did not touch it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from agent.model.ids import CommitPos


class _Unchanged(Enum):
    UNCHANGED = "unchanged"

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged.UNCHANGED
Value = str | None | Literal[_Unchanged.UNCHANGED]

Op = Literal["c", "u", "d", "t", "r"]  # create, update, delete, truncate, read by a snapshot


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a captured table. `type_name` is PostgreSQL's format_type() text.

    collation: how the source compares and prints the column, where it has more than one way (MariaDB:
    agent.capture.kafka.mariadb_types.collation); "": it does not say.
    """

    name: str
    type_name: str
    key: bool  # part of the replica identity (primary key)
    not_null: bool = False
    collation: str = ""


FkAction = Literal["cascade", "set null", "none"]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference whose actions the source carries out without telling of them: MariaDB and MySQL do that in the storage
    engine, below the binary log. "none": the statement on the parent is refused, so there is nothing to carry out.

    columns: of the table that has this key, in the order of `parent_columns`, which are a key of the parent, but not
    always its primary key. Sources that tell of every row (PostgreSQL) announce no foreign keys.
    """

    columns: tuple[str, ...]
    parent_schema: str
    parent_table: str
    parent_columns: tuple[str, ...]
    on_delete: FkAction
    on_update: FkAction

    @classmethod
    def read(cls, stored: dict[str, Any]) -> ForeignKey:
        """From its stored form, where tuples are lists."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Relation:
    """One version of a captured table's shape. `ref` is the capture's own number (PostgreSQL: the OID).

    A changed shape is a new Relation with the same `ref`, handed over before the first row that has it.
    foreign_keys: only those with an action that leaves no row changes behind.
    """

    ref: int
    schema: str
    table: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def key_indexes(self) -> tuple[int, ...]:
        """Positions of the key columns within `columns`."""
        return tuple(i for i, c in enumerate(self.columns) if c.key)


class RowChange(NamedTuple):
    """One captured change (a NamedTuple because a hundred thousand are made per second).

    old: for u/d the old image as the source sent it, values in column order: complete under a full replica identity,
    else the key columns only (others None, `old_complete` False); None when the source sent none (key unchanged).
    new: for c/u/r the image after; None for d and t.
    """

    ref: int
    op: Op
    old: tuple[Value, ...] | None
    new: tuple[Value, ...] | None
    old_complete: bool = False


@dataclass(frozen=True, slots=True)
class TransactionSlice:
    """A piece, in order, of one source transaction; small transactions come in one slice.

    first_ordinal: number of row changes of this transaction that came in earlier slices (0 for the first).
    complete: the transaction ends here and may be derived. A snapshot is one transaction at its consistent point.
    """

    commit_pos: CommitPos
    xid: int
    committed_at: datetime
    changes: tuple[RowChange, ...] | list[RowChange]
    first_ordinal: int = 0
    complete: bool = True
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something in the stream that is no change and cannot be read; nothing is missing without it, but a person should know.

    place: where in the stream, the same when it is met again. what: without its values.
    """

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class CaptureBatch:
    """What a capture hands to intake at once (bounded in rows and bytes).

    relations: shapes that are new since the last batch. captured: row changes counted where they were read from the
    wire, independently of `slices` (the left side of the row ledger). end_pos: once this batch is durable the source
    may forget everything up to here; it may lie beyond the last transaction (an idle source's keepalive).
    cursor: what the capture itself wants back in `ResumePoint` (a text of its own); None leaves what was stored.
    anew: only in a snapshot: it was begun again in the source, and what was handed over of it before this batch is void.
    """

    relations: tuple[Relation, ...]
    slices: tuple[TransactionSlice, ...]
    captured: int
    end_pos: CommitPos
    cursor: str | None = None
    anew: bool = False
    oddities: tuple[Oddity, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Which incarnation of a source this is (decision: every side can be restored under us)."""

    system_id: str
    timeline: int
    flushed_pos: CommitPos


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where the store says a stream stands.

    position: commit position of the last whole transaction in the inbox; None: never snapshotted (or interrupted).
    open_*: a huge transaction (not a snapshot) of which `open_rows` row changes are durable already, else None/0.
    cursor: what the capture last handed over with a batch that became durable; None: nothing.
    """

    position: CommitPos | None
    open_pos: CommitPos | None = None
    open_rows: int = 0
    cursor: str | None = None
