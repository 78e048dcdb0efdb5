"""Derive → decide: what became of an affected entity; and decide → store: rows to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from agent.model.ids import EntityText


class EntityChange(NamedTuple):
    """One entity whose view row differs from its derived state.

    row: where its evaluated row stands in the session's table (None: not in the view); stand: where its state row does.
    old: the derived state so far (None: never seen, or deleted); new: the view's row (None: gone from the view).
    own: some row of the mapping's own tables was touched.
    """

    row: str | None
    stand: str | None
    key: str
    entity_id: EntityText
    txn_no: int
    own: bool
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    known: bool = True  # false: this entity was never seen before


class Transaction(NamedTuple):
    """The source transaction an entity change is attributed to."""

    txn_no: int
    commit_pos: int
    xid: int
    committed_at: datetime
    incarnation: int = 1


class JournalRow(NamedTuple):
    """One business event."""

    entity_id: EntityText
    event_type: str
    key: str
    transaction: Transaction
    changes: bytes  # JSON {field: [before, after]}


class CommandRow(NamedTuple):
    """One command to be made, before it has its number. `event` is the index of its journal row in the batch."""

    event: int
    target: str
    object: str
    entity_id: EntityText
    legal_entity: str | None
    kind: str
    step: str | None
    wanted: bytes
    refs: bytes
    own_change: bool
    historical: bool
    state: str
    reason: str
    rule: str
    created: bool  # the entity is new: no older command of it can exist
    external_key: bytes  # JSON, rendered at creation; b"{}" when it could not be
    txn_no: int


@dataclass(frozen=True, slots=True)
class EntityException:
    """An entity or command that needs a person. Subject is stable, so that the next attempt finds it again."""

    stage: str
    subject: str
    entity: str
    entity_id: EntityText
    code: str
    message: str
    remedy: str
    target: str | None = None
    command: int | None = None  # index of the parked command in the batch
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Decisions:
    """What a batch of entity changes leads to. `accepted`: numbers of changes whose new state is kept, with their ids."""

    journal: list[JournalRow] = field(default_factory=list)
    commands: list[CommandRow] = field(default_factory=list)
    exceptions: list[EntityException] = field(default_factory=list)
    accepted: list[EntityChange] = field(default_factory=list)
    gaps: list[tuple[str, str, str]] = field(default_factory=list)  # map, path, code


Rows = Sequence[EntityChange]


class Broken(NamedTuple):
    """A key that the view cannot be evaluated for."""

    key: list[str]
    txn_no: int
    code: str
    message: str


@dataclass(slots=True)
class Part:
    """Some of a mapping's entities in a batch, evaluated and ready to be decided."""

    changes: Rows
    unchanged: Sequence[Sequence[str]] = ()  # keys
    broken: Sequence[Broken] = ()
