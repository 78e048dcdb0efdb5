"""Plans for masters: create, patch what differs (lines too, where there are any), deactivate."""

from __future__ import annotations

from typing import Any

from agent.model.commands import Action
from agent.outbox.parts import Done, Park, Planned, Send, Work, differences, lines_of
from agent.profile import marker_of, native_document, native_fields


def plan_master(work: Work) -> Planned:
    """Create, patch what differs, or deactivate."""
    record = work.record
    if work.goal == "absent":
        return _deactivate(work)
    if record.lifecycle == "absent":
        return create(work, "live")
    changes, children = differences(work, work.key, record.agreed)
    if not changes and not children:
        return Done("no difference")
    lines = lines_of(work.profile)
    agreed = {**changes, lines: work.wanted[lines]} if children else changes
    return Send(
        Action.UPDATE,
        work.key,
        native_fields(work.profile, changes, work.legal_entities),
        {"lifecycle": "live", "agreed": agreed},
        children=children,
        token=record.token if work.if_match else None,
        more=bool(work.deferred),
    )


def create(work: Work, lifecycle: str, *, historical: bool = False, more: bool = False) -> Send:
    """The record as it is wanted, whole: header and lines, without what must be deferred."""
    profile = work.profile
    marker = marker_of(work.record.key.entity_id) if profile.protection.marker else None
    document = native_document(
        profile, work.key, work.wanted, work.legal_entities, marker=marker, historical=historical
    )
    return Send(
        Action.CREATE,
        work.key,
        document.body,
        {"lifecycle": lifecycle, "agreed": work.wanted, "reset": True, "role": "original"},
        children=document.children,
        marker=marker,
        more=more or bool(work.deferred),
    )


def _deactivate(work: Work) -> Planned:
    record, profile = work.record, work.profile
    if record.lifecycle == "absent":
        return Done("deleted before it was sent")
    if record.lifecycle == "deleted":
        return Done("no difference")
    if profile.deactivate is None:
        return Park(
            "no_delete_rule",
            f"the profile does not say what a delete of a {record.key.object} does",
            "set `deactivate` in the profile, or deactivate it at the target and skip this command",
        )
    native, value = profile.deactivate
    return Send(
        Action.UPDATE,
        work.key,
        {native: _flag(value)},
        {"lifecycle": "deleted", "agreed": _agreed_flag(work, native, value)},
        token=record.token if work.if_match else None,
    )


def _agreed_flag(work: Work, native: str, value: str) -> dict[str, Any]:
    """The canonical field behind the flag takes the value too, so that a re-insert sees the difference."""
    for name, field in work.profile.fields.items():
        if field.native == native:
            if field.type in ("boolean", "yes_no"):
                return {name: value.lower() in ("true", "yes")}
            ours = {theirs: code for code, theirs in (field.values or {}).items()}
            return {name: ours.get(value, value)}
    return {}


def _flag(value: str) -> Any:
    return {"true": True, "false": False}.get(value, value)
