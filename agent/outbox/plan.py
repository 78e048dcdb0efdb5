"""What one command needs next, as a pure function of the record, the command and the target's profile.

The patch is computed here, at claim, against the agreed state: A→B→A with B in flight ends at A, and no
difference means no call. A command that needs several calls is planned again after each of them, from the
record as it stands then.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.model.apply import TargetSpec
from agent.model.commands import Command, Record, Reference
from agent.outbox.documents import plan_document
from agent.outbox.masters import plan_master
from agent.outbox.numbered import plan_numbered
from agent.outbox.parts import Done, Park, Planned, Send, Wait, Work
from agent.outbox.references import RefKey, resolve
from agent.profile import NotFitting, normalise, render_external_key
from canonical.entities import ENTITIES
from cdc_config.profile import ObjectProfile

__all__ = ["Done", "Park", "Planned", "Send", "Wait", "goal_of", "plan_call"]


def plan_call(record: Record, command: Command, target: TargetSpec, present: Mapping[RefKey, str]) -> Planned:
    """The next call of `command`, or why there is none. present: keys of the referenced records the target
    has.
    """
    profile = target.objects.get(record.key.object)
    settings = target.settings.get(record.key.object)
    if profile is None or settings is None:
        return Park(
            "no_such_object", f"{target.name} has no object {record.key.object}", "add it to the target"
        )
    resolved = resolve(command.wanted, command.references, present)
    blocker = None if command.kind == "delete" else _blocker(command, resolved.missing, record)
    if blocker is not None:
        return _wait(blocker)
    if settings.mode == "shadow":
        return Done("shadow: everything but the call")
    goal = goal_of(command, profile)
    if command.historical and settings.historical == "skip" and _is_history(goal, profile, record):
        return Done("historical: not loaded, by configuration")
    try:
        planned = _plan(record, command, profile, target, resolved.wanted, goal, resolved.missing)
    except NotFitting as error:
        return Park(error.code, f"{error.where}: {error.what}", error.remedy)
    if isinstance(planned, Done) and resolved.missing and command.kind != "delete":
        return _wait(resolved.missing[0])
    return planned


def goal_of(command: Command, profile: ObjectProfile) -> str:
    """Where the record should end: absent, live, or a document's state."""
    if command.kind == "delete":
        return "absent"
    if profile.post_action is None:
        return "live"
    entity = ENTITIES.get(command.key.object)
    state = command.wanted.get(entity.state_field) if entity and entity.state_field else None
    return str(command.step or state or "draft")


def _plan(
    record: Record,
    command: Command,
    profile: ObjectProfile,
    target: TargetSpec,
    wanted: Mapping[str, object],
    goal: str,
    missing: tuple[Reference, ...],
) -> Planned:
    # The record keeps the key it was first given; jsonb does not keep the order of its parts.
    held = record.external_key or render_external_key(profile, command.wanted, target.legal_entities)
    key = {name: held[name] for name in profile.key if name in held}
    fitted = {} if goal == "absent" else normalise(profile, wanted)
    deferred = tuple(r.field for r in missing)
    work = Work(record, command, profile, target.legal_entities, key, fitted, goal, deferred)
    if profile.server_key is not None:
        return plan_numbered(work)
    return plan_master(work) if profile.post_action is None else plan_document(work)


def _blocker(command: Command, missing: tuple[Reference, ...], record: Record) -> Reference | None:
    """The first missing reference that cannot be left out. One to the record itself never needs to be
    waited for.
    """
    for reference in missing:
        itself = reference.entity_id == record.key.entity_id and record.lifecycle == "absent"
        if not (reference.deferrable and (command.defer_references or itself)):
            return reference
    return None


def _wait(reference: Reference) -> Wait:
    return Wait(f"waits for {reference.object} {reference.entity_id}", str(reference.entity_id))


def _is_history(goal: str, profile: ObjectProfile, record: Record) -> bool:
    return record.lifecycle == "absent" and (profile.server_key is not None or goal in ("posted", "void"))
