"""What a plan can be, and what planning works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.model.commands import Action, ChildWrite, Command, Json, Record
from cdc_config.profile import ObjectProfile


@dataclass(frozen=True, slots=True)
class Send:
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


@dataclass(frozen=True, slots=True)
class Done:
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


@dataclass(frozen=True, slots=True)
class Work:
    """One command in hand: everything normalised and resolved. deferred: reference fields left out for now.
    """

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
