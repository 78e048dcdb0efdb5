"""What a plan can be, and what planning works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from agent.model.commands import Action, ChildWrite, Command, Json, Record
from agent.profile import changed_children, changed_fields
from cdc_config.profile import ObjectProfile


class Send(NamedTuple):
    """One write. progress: what the record becomes once it is accepted (agent/outcome/sql reads it):

    lifecycle, agreed (merged into the record's; replaces it when `reset`), documents (the whole list) and
    `at` (the index in it that native id and token belong to), role (for the cross-reference).
    """

    action: Action
    external_key: Json
    body: Json
    progress: Json
    more: bool = False
    children: tuple[ChildWrite, ...] = ()
    token: str | None = None
    marker: str | None = None


class Done(NamedTuple):
    """Nothing to send. Suppressed if nothing ever was, else applied."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: a reference is missing at the target."""

    reason: str
    blocked_on: str


@dataclass(frozen=True, slots=True)
class Park:
    """A person must decide."""

    code: str
    message: str
    remedy: str


Planned = Send | Done | Wait | Park


class Work(NamedTuple):
    """One command in hand: all normalised and resolved. deferred: reference fields left out for now."""

    record: Record
    command: Command
    profile: ObjectProfile
    legal_entities: Mapping[str, str]
    key: Json  # the record's external key, in the profile's order
    wanted: Mapping[str, Any]
    goal: str  # absent | draft | posted | void | live
    deferred: tuple[str, ...] = ()

    @property
    def if_match(self) -> bool:
        """Whether writes carry a version token."""
        return self.profile.protection.token


def lines_of(profile: ObjectProfile) -> str:
    """The canonical list field that holds a document's lines; empty when it has none."""
    return profile.children.field if profile.children else ""


def differences(work: Work, key: Json, agreed: Json) -> tuple[dict[str, Any], tuple[ChildWrite, ...]]:
    """Header fields and lines that make the agreed document the wanted one."""
    changes = changed_fields(work.profile, agreed, work.wanted)
    name = lines_of(work.profile)
    if not name or name not in work.wanted:
        return changes, ()
    return changes, changed_children(work.profile, key, agreed.get(name) or [], work.wanted[name])


def documents_of(record: Record) -> list[dict[str, Any]]:
    """The record's further documents as JSON, to be changed and stored back."""
    return [
        {
            "external_key": dict(d.external_key),
            "kind": d.kind,
            "lifecycle": d.lifecycle,
            "native_id": d.native_id,
            "token": d.token,
            "agreed": dict(d.agreed),
        }
        for d in record.documents
    ]


def progress_of(record: Record, at: int, lifecycle: str, agreed: Json) -> Json:
    """What accepting a write to one document makes of the record. at: index in `documents`, -1 the
    original.
    """
    if at < 0:
        return {"lifecycle": lifecycle, "agreed": agreed}
    documents = documents_of(record)
    entry = documents[at]
    documents[at] = {**entry, "lifecycle": lifecycle, "agreed": {**entry["agreed"], **agreed}}
    return {"documents": documents, "at": at}
