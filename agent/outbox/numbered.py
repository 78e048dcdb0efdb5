"""Plans for documents that the server numbers and posts at once (a payment journal): neither key nor token
protects.

Each is created once, under a marker. Its lines (settlements) have keys of their own and may change; a
change of its header undoes it and creates a new one under the next marker.
"""

from __future__ import annotations

from typing import NamedTuple

from agent.model.commands import Action, Json
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
from agent.profile import marker_of, native_document, server_external_key


class _Doc(NamedTuple):
    at: int
    lifecycle: str
    native_id: str | None
    agreed: Json


def plan_numbered(work: Work) -> Planned:
    """The next call for the latest of the record's documents."""
    doc = _latest(work)
    if doc.lifecycle in ("absent", "deleted"):
        if work.goal == "absent":
            return Done("no difference" if doc.lifecycle == "deleted" else "deleted before it was sent")
        return _create(work, doc)
    if work.goal == "absent":
        return _undo(work, doc, more=False)
    key = _key(work, doc)
    changes, children = differences(work, key, doc.agreed)
    if not changes and not children:
        return Done("no difference")
    if not work.command.own_change:
        return Done("frozen: a posted document changes only by its own rows")
    if changes:
        return _undo(work, doc, more=True)
    name = lines_of(work.profile)
    progress = progress_of(work.record, doc.at, doc.lifecycle, {name: work.wanted[name]})
    return Send(Action.UPDATE, key, {}, progress, children=children)


def _latest(work: Work) -> _Doc:
    record = work.record
    if record.documents:
        last = record.documents[-1]
        return _Doc(len(record.documents) - 1, last.lifecycle, last.native_id, last.agreed)
    return _Doc(-1, record.lifecycle, record.native_id, record.agreed)


def _create(work: Work, doc: _Doc) -> Send:
    number = len(work.record.documents) + (doc.lifecycle == "deleted")
    part = f"C{number}" if number else "0"
    marker = marker_of(work.record.key.entity_id, part)
    native = native_document(
        work.profile,
        {},
        work.wanted,
        work.legal_entities,
        marker=marker,
        historical=work.command.historical and number == 0,
    )
    progress: Json
    if number == 0:
        progress = {"lifecycle": "posted", "agreed": work.wanted, "reset": True, "role": "original"}
    else:
        entry = {"external_key": {}, "kind": "successor", "lifecycle": "posted", "agreed": work.wanted}
        documents = [*documents_of(work.record), entry]
        progress = {"documents": documents, "at": len(documents) - 1, "role": "successor"}
    return Send(Action.CREATE, {}, native.body, progress, children=native.children, marker=marker)


def _undo(work: Work, doc: _Doc, *, more: bool) -> Planned:
    if work.profile.reverse_action is None:
        what = "changed" if more else "deleted"
        return Park(
            f"{work.record.key.object}_{what}",
            f"{what} at the source after it was posted as {doc.native_id}, which cannot be undone by machine",
            "correct the document at the target by hand, then skip this command with a reason",
        )
    return Send(
        Action.REVERSE, _key(work, doc), {}, progress_of(work.record, doc.at, "deleted", {}), more=more
    )


def _key(work: Work, doc: _Doc) -> Json:
    known = {**doc.agreed, "legal_entity": work.record.legal_entity}
    return server_external_key(work.profile, known, work.legal_entities, doc.native_id or "")
