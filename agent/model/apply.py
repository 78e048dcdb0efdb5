"""Outbox → apply → outcome: claimed requests, results with what they mean, and questions to a target. All
frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from agent.model.commands import Call, Json, Record
from agent.model.ids import CommandId, EntityId, ObjectName, TargetName
from cdc_config.models import TargetConfig, TargetObject
from cdc_config.profile import Limits, ObjectProfile, Profile


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One target as planning and recording see it: names and rules, no secrets and no sockets."""

    name: TargetName
    objects: Mapping[str, ObjectProfile]
    settings: Mapping[str, TargetObject]
    legal_entities: Mapping[str, str]
    limits: Limits
    remedies: Mapping[str, str]  # row of the error table → what a person can do

    @classmethod
    def of(cls, name: str, profile: Profile, config: TargetConfig) -> TargetSpec:
        """From the configuration: the profile's objects that this target has switched on."""
        objects = {n: o for n, o in profile.objects.items() if n in config.objects}
        limits = config.limits or profile.limits
        remedies = {rule.name: rule.remedy for rule in profile.errors if rule.remedy}
        return cls(TargetName(name), objects, dict(config.objects), config.legal_entities, limits, remedies)


class ClaimedCall(NamedTuple):
    """A call whose intent is durable. more: the command needs another call after it."""

    call: Call
    more: bool
    attempts: int


class ClaimedRequest(NamedTuple):
    """One HTTP request's worth of claimed calls, under one lease."""

    request_id: int
    object: ObjectName
    calls: tuple[ClaimedCall, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one claim did. looked: commands it took in hand; when it is as many as were asked for, there may
    be more.
    """

    requests: tuple[ClaimedRequest, ...]
    looked: int = 0
    blocked: int = 0
    settled: int = 0
    parked: int = 0


class QuestionKind(StrEnum):
    """Why a target is asked about a record."""

    UNKNOWN = "unknown"  # a call was sent and not answered
    READ_BACK = "read_back"  # a conflict, or a store that was restored: read before planning


@dataclass(frozen=True, slots=True)
class Question:
    """A record that must be asked about. `call` is its last call (None: there was none yet); `version`
    fences the answer.
    """

    kind: QuestionKind
    record: Record
    command_id: CommandId | None
    command_kind: str
    call: Call | None
    progress: Json
    taken_over: bool  # its sender may still be frozen before its send
    version: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch of outcomes changed. ended: entities whose line may move on, or whose record is there now.

    hold_until: the target asked us to come back then. due: the earliest moment a retried command may go.
    """

    moved: int
    ended: tuple[EntityId, ...] = ()
    due: datetime | None = None
    hold_until: datetime | None = None
    stopped: str = ""
