"""What a target's answer to a question means: was the call done, and what does the record look like
there. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.model.apply import Question, QuestionKind, TargetSpec
from agent.model.commands import Action, CommandState, Found, Json, Record
from agent.profile import canonicalise
from cdc_config.profile import ObjectProfile


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the command goes and how the record is patched. kind: the outcome's (found, absent,
    read_back, park).
    """

    kind: str
    to: CommandState
    patch: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    remedy: str = ""


def answer(question: Question, found: Sequence[Found], target: TargetSpec) -> Answer:
    """Judge one question. Nothing is sent again here: a command that goes back to waiting is planned anew."""
    profile = target.objects[question.record.key.object]
    if len(found) > 1:
        return _park(
            question,
            "found_twice",
            f"{len(found)} records at {target.name} carry this record's marker or key",
            "reverse the surplus ones at the target, then replay",
        )
    if not found:
        return _missing(question, profile, target)
    there = found[0]
    actual = canonicalise(profile, there, target.legal_entities)
    if question.kind is QuestionKind.UNKNOWN and _was_done(question, there, actual, profile):
        return _done(question, there, actual)
    kind = "absent" if question.kind is QuestionKind.UNKNOWN else "read_back"
    return Answer(kind, CommandState.WAITING, _adopt(question, there, actual, profile))


def _missing(question: Question, profile: ObjectProfile, target: TargetSpec) -> Answer:
    call, record = question.call, question.record
    action = call.action if call else None
    unknown = question.kind is QuestionKind.UNKNOWN
    if action is Action.DELETE:
        return (
            _done(question, None, {})
            if unknown
            else Answer("read_back", CommandState.WAITING, _deleted(question))
        )
    if action is Action.CREATE or (action is None and record.lifecycle == "absent"):
        if unknown and question.taken_over and not profile.protection.key:
            return _park(
                question,
                "unknown_outcome",
                f"sent by a worker that is gone, and not found at {target.name}, which would let it in twice",
                "look for it at the target; replay sends it again, skip leaves it out",
            )
        return Answer("absent" if unknown else "read_back", CommandState.WAITING)
    gone = _deleted(question)
    if question.command_kind == "delete":
        return Answer("read_back", CommandState.WAITING, gone)
    return _park(
        question,
        "gone_in_target",
        f"{target.name} no longer has this record: somebody deleted it there",
        "replay creates it again, skip leaves it deleted",
        {} if "at" in question.progress else gone,
    )


def _deleted(question: Question) -> dict[str, Any]:
    progress = question.progress
    if "at" in progress:
        return {"documents": progress["documents"]}
    return {"lifecycle": "absent", "agreed": {}, "token": None, "native_id": None}


def _was_done(question: Question, there: Found, actual: Json, profile: ObjectProfile) -> bool:
    call, progress = question.call, question.progress
    if call is None or call.action is Action.DELETE:
        return False
    if call.action is Action.POST:
        return there.lifecycle == "posted"
    if call.action is Action.REVERSE:
        return there.lifecycle == "deleted"
    if call.action is Action.CREATE and call.marker is not None:
        return True  # nobody else writes our marker
    content = _content(question)
    if content:
        return all(actual.get(name) == value for name, value in content.items())
    return all(there.native.get(name) == value for name, value in call.body.items()) or not progress


def _content(question: Question) -> Json:
    """The canonical fields that this call wrote."""
    progress = question.progress
    if "at" not in progress:
        agreed: Json = progress.get("agreed") or {}
        return agreed
    at = int(progress["at"])
    wanted: Json = progress["documents"][at].get("agreed") or {}
    held = question.record.documents
    before: Json = held[at].agreed if at < len(held) else {}
    return {name: value for name, value in wanted.items() if before.get(name) != value}


def _done(question: Question, there: Found | None, actual: Json) -> Answer:
    """As if its reply had come."""
    progress, record = question.progress, question.record
    patch: dict[str, Any] = {}
    if "at" in progress:
        patch["documents"] = _documents(progress["documents"], int(progress["at"]), there, None)
    else:
        base = {} if progress.get("reset") else record.agreed
        agreed = {**base, **(progress.get("agreed") or {})}
        patch["agreed"] = {n: actual.get(n, v) for n, v in agreed.items()}
        patch["lifecycle"] = progress.get("lifecycle", record.lifecycle)
        patch["token"] = there.token if there else None
        patch["native_id"] = (there.native_id or record.native_id) if there else None
    if there is not None and question.call is not None and question.call.action is Action.CREATE:
        patch |= _reference(there, progress, "created")
    # What else differs there is seen when the command is planned once more.
    more = bool(progress.get("more")) or (there is not None and patch.get("agreed", {}) != _merged(question))
    return Answer("found", CommandState.WAITING if more else CommandState.APPLIED, patch)


def _merged(question: Question) -> Json:
    progress = question.progress
    if "at" in progress:
        return {}
    base = {} if progress.get("reset") else question.record.agreed
    return {**base, **(progress.get("agreed") or {})}


def _adopt(question: Question, there: Found, actual: Json, profile: ObjectProfile) -> dict[str, Any]:
    """The record as the target has it, and what of ours had been changed there."""
    record, progress = question.record, question.progress
    if "at" in progress:
        documents = _documents(progress["documents"], int(progress["at"]), there, actual)
        return {"documents": documents, **_reference(there, progress, "created")}
    patch: dict[str, Any] = {
        "agreed": actual,
        "lifecycle": _lifecycle(record, there, profile),
        "token": there.token,
        "native_id": there.native_id or record.native_id,
    }
    if record.lifecycle == "absent":
        patch |= _reference(there, progress, "matched_key")
    changed = {
        name: [value, actual.get(name)] for name, value in record.agreed.items() if actual.get(name) != value
    }
    if changed:
        patch["conflict"] = changed
    return patch


def _lifecycle(record: Record, there: Found, profile: ObjectProfile) -> str:
    if profile.deactivate is not None and record.lifecycle == "deleted":
        native, value = profile.deactivate
        if str(there.native.get(native)) == value:
            return "deleted"
    return there.lifecycle


def _documents(
    documents: Sequence[Json], at: int, there: Found | None, actual: Json | None
) -> list[dict[str, Any]]:
    result = [dict(d) for d in documents]
    if there is not None:
        result[at] |= {"token": there.token, "native_id": there.native_id or result[at].get("native_id")}
    if there is not None and actual is not None:
        result[at] |= {"agreed": actual, "lifecycle": there.lifecycle}
    return result


def _reference(there: Found, progress: Json, method: str) -> dict[str, Any]:
    key = "/".join(str(there.external_key[name]) for name in sorted(there.external_key))
    return {"reference": there.native_id or key, "role": progress.get("role", "original"), "method": method}


def _park(
    question: Question, code: str, message: str, remedy: str, patch: Mapping[str, Any] | None = None
) -> Answer:
    return Answer("park", CommandState.PARKED, patch or {}, code, message, remedy)
