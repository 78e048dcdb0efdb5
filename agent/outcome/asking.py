"""Questions to be asked, and their answers made true."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from agent.model.apply import Question, QuestionKind, TargetSpec
from agent.model.commands import Action, Call, CommandState, Document, Record, RecordKey
from agent.model.ids import CallId, CommandId, EntityId, ObjectName
from agent.outcome.answers import Answer
from agent.store.jsonb import dumps, loads
from agent.store.queries import queries

_SQL = queries("agent.outcome", "ask")
_RECORD = queries("agent.outcome", "record")


async def questions(
    conn: psycopg.AsyncConnection[Any], target: TargetSpec, now: datetime, lease: timedelta, limit: int
) -> list[Question]:
    """What may be asked now: unknown calls past their longest processing time, and records to read back."""
    args = {"target": target.name, "now": now, "again": now + lease, "limit": limit}
    async with conn.transaction():
        unknown = await (await conn.execute(_SQL["unknown"], args)).fetchall()
        asked = await (await conn.execute(_SQL["must_ask"], args)).fetchall()
    return [_read(QuestionKind.UNKNOWN, target, row) for row in unknown] + [
        _read(QuestionKind.READ_BACK, target, row) for row in asked
    ]


async def next_question(conn: psycopg.AsyncConnection[Any], target: TargetSpec) -> datetime | None:
    """When the next unknown call may be asked about."""
    row = await (await conn.execute(_SQL["next_question"], {"target": target.name})).fetchone()
    return row[0] if row else None


async def answered(
    conn: psycopg.AsyncConnection[Any],
    target: TargetSpec,
    answers: Sequence[tuple[Question, Answer]],
    now: datetime,
) -> list[UUID]:
    """Make answers true; returns the entities whose line may move on."""
    rows = [_row(question, answer) for question, answer in answers]
    parked = [
        _exception(q, a) for q, a in answers if a.to is CommandState.PARKED and q.command_id is not None
    ]
    args = {"target": target.name, "rows": dumps(rows), "now": now}
    async with conn.transaction():
        moved = await (await conn.execute(_SQL["answer"], args)).fetchall()
        if parked:
            await conn.execute(_RECORD["open_exceptions"], {"target": target.name, "rows": dumps(parked)})
    return [row[1] for row in moved if row[2] != CommandState.PARKED]


def _row(question: Question, answer: Answer) -> dict[str, Any]:
    unknown = question.kind is QuestionKind.UNKNOWN
    return {
        "object": question.record.key.object,
        "entity_id": question.record.key.entity_id,
        "version": question.version,
        "command_id": question.command_id,
        "call_id": question.call.call_id if question.call else None,
        "from": CommandState.UNKNOWN if unknown else CommandState.WAITING,
        "to": answer.to,
        "reason": answer.code,
        "kind": answer.kind,
        "code": answer.code,
        "patch": answer.patch,
    }


def _exception(question: Question, answer: Answer) -> dict[str, Any]:
    call = question.call
    return {
        "command_id": question.command_id,
        "object": question.record.key.object,
        "entity_id": question.record.key.entity_id,
        "code": answer.code,
        "message": answer.message,
        "remedy": answer.remedy,
        "diagnostics": {
            "external_key": call.external_key if call else question.record.external_key,
            "marker": call.marker if call else None,
            "action": call.action if call else None,
            "call_id": call.call_id if call else None,
            "taken_over": question.taken_over,
        },
    }


def _read(kind: QuestionKind, target: TargetSpec, row: Sequence[Any]) -> Question:
    (command_id, command_kind, object_name, entity_id, legal_entity, external_key, lifecycle, native_id,
    token,
     agreed, documents, version, call_id, action, call_key, body, marker, progress, taken_over) = row  # fmt: skip
    key = RecordKey(target.name, ObjectName(object_name), EntityId(entity_id))
    profile = target.objects[object_name]
    record = Record(
        key, legal_entity, _ordered(profile.key, loads(external_key)), lifecycle, native_id, token,
        loads(agreed), tuple(Document(**d) for d in loads(documents)),
    )  # fmt: skip
    call = None
    if call_id is not None:
        known = _ordered((*profile.key, profile.server_key or ""), loads(call_key))
        call = Call(
            CallId(call_id),
            CommandId(command_id),
            key,
            Action(action),
            known,
            loads(body)["header"],
            marker=marker,
        )
    parsed = loads(progress) if progress else {}
    return Question(kind, record, command_id, command_kind, call, parsed, bool(taken_over), version)


def _ordered(names: Any, held: dict[str, Any]) -> dict[str, Any]:
    """jsonb does not keep the order of a key's parts."""
    return {name: held[name] for name in names if name in held}
