"""Decide → outbox → apply → outcome: commands, records, calls and what came of them. All frozen.

A *record* is one master, or one document with its lines, in one target. A *command* is one wanted change of one
record. A *call* is one durable intent to write, computed from (record, command) at claim; a command may need several
calls, one after the other (create the draft, then post it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from agent.model.ids import CallId, CommandId, EntityId, ObjectName, TargetName

Json = Mapping[str, Any]  # JSON with Decimal for every number that has a fraction; dates as ISO texts


class RecordKey(NamedTuple):
    """The line that commands of one record never leave and never overtake each other in."""

    target: TargetName
    object: ObjectName
    entity_id: EntityId


class CommandState(StrEnum):
    """Lifecycle of a command; transitions stand in agent.outbox.lifecycle, one table."""

    WAITING = "waiting"  # claimable, or waits for a reference, a moment, or the target's baseline (`reason` says)
    IN_FLIGHT = "in_flight"  # claimed; its call's intent is durable
    UNKNOWN = "unknown"  # sent, no answer: must be asked about before anything else happens to its record
    PARKED = "parked"  # needs a person: an exception is open
    BRAKED = "braked"  # held by the brake, or by mode shadow/hold
    APPLIED = "applied"
    SUPERSEDED = "superseded"  # a newer wanted state of the same record took its place
    SUPPRESSED = "suppressed"  # nothing to send: a rule (shadow, frozen, not owner) or no difference
    SKIPPED = "skipped"  # a person decided not to send it


class CommandKind(StrEnum):
    """state: the record should look like `wanted`; collapses. step: reached in order, never collapsed. delete."""

    STATE = "state"
    STEP = "step"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Reference:
    """A record this one points at. `field` is the wanted field that carries its key; deferrable ones may be sent
    later, in a second call, when waiting for it would be a cycle (a customer's parent)."""

    field: str
    object: ObjectName
    entity_id: EntityId
    deferrable: bool = False


class Command(NamedTuple):
    """One row of coexist.command as apply sees it."""

    command_id: CommandId
    key: RecordKey
    kind: CommandKind
    step: str | None  # canonical lifecycle state to reach: draft, posted, void, …
    wanted: Json  # canonical owned fields (lines as a list of objects under "lines")
    references: tuple[Reference, ...]
    own_change: bool  # False: reached this record only through reference data, a code table or a new mapping
    historical: bool  # loaded by the first snapshot: documents go in without posting
    attempts: int
    legal_entity: str | None
    defer_references: bool = False
    correlation: str = ""
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One native document of a record: the original, a reversal of it, or its corrected successor."""

    external_key: Json
    kind: str  # original | reversal | successor
    lifecycle: str  # absent | draft | posted | deleted
    native_id: str | None = None
    token: str | None = None
    agreed: Json = field(default_factory=dict)


class Record(NamedTuple):
    """One row of coexist.record: what both sides last held in common."""

    key: RecordKey
    legal_entity: str | None
    external_key: Json
    lifecycle: str  # absent | draft | live | posted | deleted
    native_id: str | None
    token: str | None
    agreed: Json  # canonical, normalised by the profile
    documents: tuple[Document, ...] = ()  # corrections of a posted document, in order


class Action(StrEnum):
    """What a call does at the target."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    POST = "post"  # make a draft document final
    REVERSE = "reverse"  # undo a posted document where the target has an action for it


class Call(NamedTuple):
    """A write to be performed: complete, so that sending needs nothing else. `body` is native (profile applied).

    children: for a document, native bodies of its lines to be written in the same changeset, by entity set.
    marker: text by which the target can be asked about this very call where no key is enforced.
    token: If-Match value, where the object has version tokens.
    """

    call_id: CallId
    command_id: CommandId
    key: RecordKey
    action: Action
    external_key: Json  # native key fields → values
    body: Json
    children: tuple[ChildWrite, ...] = ()
    token: str | None = None
    marker: str | None = None
    digest: str = ""


class ChildWrite(NamedTuple):
    """One line write inside a document's changeset."""

    action: Action
    entity_set: str
    external_key: Json
    body: Json


class ResultKind(StrEnum):
    """How a call ended, after classification by the profile's error table."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # not done; the same again after a backoff (or `retry_after`)
    CONFLICT = "conflict"  # version token stale or key exists: read the record back, plan again
    PARK = "park"  # not done; needs a person
    STOP = "stop"  # not done; the whole target must stop (credentials, wrong tenant)
    UNKNOWN = "unknown"  # sent, and no answer that says what happened


class CallResult(NamedTuple):
    """What a target said about one call."""

    call_id: CallId
    kind: ResultKind
    native_id: str | None = None
    token: str | None = None
    status: int | None = None
    code: str = ""  # the vendor's error code or the row of our error table that matched
    message: str = ""  # the vendor's text, shortened, without secrets
    retry_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A record read back from a target: native fields (lines under "lines"), its token and lifecycle."""

    external_key: Json
    native_id: str | None
    token: str | None
    lifecycle: str  # draft | live | posted
    native: Json
