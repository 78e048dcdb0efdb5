"""Plans for documents: drafts are created, patched and deleted; a posted one is frozen and corrected by a
reversal and a linked successor. One call at a time, each planned from the record as it stands.
"""

from __future__ import annotations

from typing import NamedTuple

from agent.model.commands import Action, Json
from agent.outbox.masters import create
from agent.outbox.parts import (
    Done,
    Park,
    Planned,
    Send,
    Work,
    differences,
    documents_of,
    lines_of,
    progress_of,
)
from agent.profile import (
    NotFitting,
    marker_of,
    native_document,
    native_fields,
    reversal_of,
)


class _Doc(NamedTuple):
    """One native document of the record. at: its index in `documents`; -1 is the original, kept in the
    record itself.
    """

    at: int
    external_key: Json
    lifecycle: str
    token: str | None
    agreed: Json


def plan_document(work: Work) -> Planned:
    """The next call towards the goal, judged by the latest document that is not a reversal."""
    doc, reversal = _current(work)
    if reversal is not None and reversal.lifecycle == "draft":
        return _post(work, reversal, more=True)
    if reversal is not None and reversal.lifecycle == "posted":
        return _after_reversal(work, doc)
    if doc.lifecycle in ("absent", "deleted"):
        return _from_nothing(work, doc)
    if doc.lifecycle == "draft":
        return _from_draft(work, doc)
    return _from_posted(work, doc)


def _current(work: Work) -> tuple[_Doc, _Doc | None]:
    record = work.record
    doc = _Doc(-1, work.key, record.lifecycle, record.token, record.agreed)
    reversal: _Doc | None = None
    for at, item in enumerate(record.documents):
        key = {name: item.external_key[name] for name in work.profile.key if name in item.external_key}
        entry = _Doc(at, key, item.lifecycle, item.token, item.agreed)
        if item.kind == "reversal":
            reversal = entry
        elif item.lifecycle != "absent":
            doc, reversal = entry, None
    return doc, reversal


def _from_nothing(work: Work, doc: _Doc) -> Planned:
    if work.goal in ("absent", "void"):
        return Done("it never reached the target")
    historical = (
        work.command.historical and work.goal == "posted" and work.profile.historical_field is not None
    )
    if historical:
        return create(work, "posted", historical=True)
    return create(work, "draft", more=work.goal == "posted")


def _from_draft(work: Work, doc: _Doc) -> Planned:
    if work.goal in ("absent", "void"):
        return Send(Action.DELETE, doc.external_key, {}, _gone(work, doc), token=_token(work, doc))
    changes, children = differences(work, doc.external_key, doc.agreed)
    if changes or children:
        agreed = dict(changes)
        if children:
            name = lines_of(work.profile)
            agreed[name] = work.wanted[name]
        return Send(
            Action.UPDATE,
            doc.external_key,
            native_fields(work.profile, changes, work.legal_entities),
            progress_of(work.record, doc.at, "draft", agreed),
            children=children,
            token=_token(work, doc),
            more=work.goal == "posted" or bool(work.deferred),
        )
    if work.goal == "posted" and not work.deferred:
        return _post(work, doc, more=False)
    return Done("no difference")


def _from_posted(work: Work, doc: _Doc) -> Planned:
    gone = work.goal in ("absent", "void")
    changes, children = differences(work, doc.external_key, doc.agreed)
    if not gone and not changes and not children:
        if work.goal == "draft":
            return Park(
                "posted_at_target",
                "the target has posted what the source still calls a draft",
                "post it at the source too, or reverse it at the target and skip this command",
            )
        return Done("no difference")
    if not work.command.own_change and work.command.kind != "delete":
        return Done("frozen: a posted document changes only by its own rows")
    return _reverse(work, doc)


def _reverse(work: Work, doc: _Doc) -> Send:
    """A document that takes the posted one back, under the next key."""
    number = 1 + sum(item.kind == "reversal" for item in work.record.documents)
    content = reversal_of(work.profile, doc.agreed)
    return _further(work, doc, content, kind="reversal", suffix=f"-R{number}", more=True)


def _after_reversal(work: Work, doc: _Doc) -> Planned:
    if work.goal in ("absent", "void"):
        return Done("reversed")
    number = sum(item.kind == "reversal" for item in work.record.documents)
    more = work.goal == "posted"
    return _further(work, doc, work.wanted, kind="successor", suffix=f"-C{number}", more=more)


def _further(work: Work, doc: _Doc, content: Json, *, kind: str, suffix: str, more: bool) -> Send:
    profile = work.profile
    key = _suffixed(work, suffix)
    marker = marker_of(work.record.key.entity_id, suffix.strip("-")) if profile.protection.marker else None
    native = native_document(
        profile,
        key,
        content,
        work.legal_entities,
        marker=marker,
        reversal=kind == "reversal",
        corrects=doc.external_key,
    )
    entry = {"external_key": key, "kind": kind, "lifecycle": "draft", "agreed": content}
    documents = [*documents_of(work.record), entry]
    progress = {"documents": documents, "at": len(documents) - 1, "role": kind}
    return Send(Action.CREATE, key, native.body, progress, more=more, children=native.children, marker=marker)


def _suffixed(work: Work, suffix: str) -> Json:
    """The record's own key, as it was first rendered, with a suffix on its number."""
    last = list(work.profile.key)[-1]
    value = work.key[last] + suffix
    limit = work.profile.key_max_length.get(last)
    if limit is not None and len(value) > limit:
        raise NotFitting(
            "too_long",
            last,
            f"the correction's key {value!r} is longer than the target's {limit} characters",
            "correct the document at the target by hand, then skip this command",
        )
    return {**work.key, last: value}


def _post(work: Work, doc: _Doc, *, more: bool) -> Planned:
    if work.profile.post_action is None:
        return Park("no_post_action", "the profile does not say how a draft is posted", "set `post_action`")
    progress = progress_of(work.record, doc.at, "posted", {})
    return Send(Action.POST, doc.external_key, {}, progress, more=more, token=_token(work, doc))


def _gone(work: Work, doc: _Doc) -> Json:
    if doc.at < 0:
        return {"lifecycle": "absent", "agreed": {}, "reset": True, "gone": True}
    documents = documents_of(work.record)
    documents[doc.at] = {**documents[doc.at], "lifecycle": "absent"}
    return {"documents": documents, "at": doc.at, "gone": True}


def _token(work: Work, doc: _Doc) -> str | None:
    return doc.token if work.if_match else None
