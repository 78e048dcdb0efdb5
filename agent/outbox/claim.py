"""The claim: one short transaction that turns the heads of the line into durable intents, a few
statements per batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from agent.errors import StoreError
from agent.failpoints import failpoint
from agent.model.apply import Claimed, ClaimedCall, ClaimedRequest, TargetSpec
from agent.model.commands import (
    Call,
    Command,
    CommandKind,
    CommandState,
    Document,
    Record,
    RecordKey,
    Reference,
)
from agent.model.ids import CallId, CommandId, EntityId, ObjectName
from agent.outbox.lifecycle import Event, after, from_states
from agent.outbox.parts import Done, Park, Planned, Send, Wait
from agent.outbox.plan import plan_call
from agent.outbox.references import RefKey
from agent.profile import digest
from agent.store import arrays
from agent.store.jsonb import dumps, loads
from agent.store.queries import queries

_SQL = queries("agent.outbox", "claim")
_KIND = {kind.value: kind for kind in CommandKind}


class _Taken(NamedTuple):
    record: Record
    command: Command
    called: bool  # an earlier call was made for it
    next_call: int  # the number of the call it may become
    earlier: int | None


@dataclass
class _Batch:
    """What one claim decided, before it is written."""

    sends: list[tuple[_Taken, Send]] = field(default_factory=list)
    settled: list[dict[str, Any]] = field(default_factory=list)
    parked: list[dict[str, Any]] = field(default_factory=list)
    closed: list[dict[str, Any]] = field(default_factory=list)
    blocked: list[int] = field(default_factory=list)


class Claimer:
    """Claims for one target on behalf of one worker. Used by one task at a time."""

    def __init__(self, target: TargetSpec, worker: str) -> None:
        self._target = target
        self.worker = worker
        self.last_blocked: list[int] = []
        self.last_ended: list[UUID] = []  # whoever stands behind these may go

    async def claim(
        self, conn: psycopg.AsyncConnection[Any], limit: int, lease: timedelta, now: datetime
    ) -> Claimed:
        """Take up to `limit` commands, plan each, write what follows."""
        async with conn.transaction():
            self.last_blocked, self.last_ended = [], []
            taken = await self._take(conn, limit, now)
            if not taken:
                return Claimed(())
            present = await self._present(conn, taken)
            decided = _decide(taken, self._target, present)
            requests = self._requests(decided.sends)
            if requests:
                await self._intend(conn, requests, decided, now + lease)
            await self._write_rest(conn, decided, now)
        failpoint("after-intent")
        self.last_blocked = decided.blocked
        self.last_ended = [row["entity_id"] for row in decided.closed]
        settled = len(decided.settled) - len(decided.blocked) - len(decided.parked)
        return Claimed(tuple(requests), len(taken), len(decided.blocked), settled, len(decided.parked))

    async def _take(self, conn: psycopg.AsyncConnection[Any], limit: int, now: datetime) -> list[_Taken]:
        args = {"target": self._target.name, "now": now, "limit": limit}
        cursor = await conn.execute(_SQL["take"], args)
        return [_read(self._target, row) for row in await cursor.fetchall()]

    async def _present(
        self, conn: psycopg.AsyncConnection[Any], taken: Sequence[_Taken]
    ) -> dict[RefKey, str]:
        """The keys of all referenced records that the target has, in one query."""
        wanted = {(r.object, r.entity_id) for t in taken if t.earlier is None for r in t.command.references}
        if not wanted:
            return {}
        refs = [{"object": o, "entity_id": e, "document": o in documents_of(self._target)} for o, e in wanted]
        cursor = await conn.execute(_SQL["references"], {"refs": dumps(refs), "target": self._target.name})
        found: dict[RefKey, str] = {}
        for object_name, entity_id, key, native_id in await cursor.fetchall():
            profile = self._target.objects.get(object_name)
            value = loads(key).get(list(profile.key)[-1]) if profile and not profile.server_key else None
            found[object_name, entity_id] = value or native_id or ""
        return found

    def _requests(self, sends: Sequence[tuple[_Taken, Send]]) -> list[ClaimedRequest]:
        """One per batch of an object's calls, named after its first call."""
        return [
            ClaimedRequest(group[0][0].next_call, name, tuple([_call(taken, send) for taken, send in group]))
            for name, group in _grouped(sends, self._target)
        ]

    async def _intend(
        self,
        conn: psycopg.AsyncConnection[Any],
        requests: Sequence[ClaimedRequest],
        decided: _Batch,
        lease_until: datetime,
    ) -> None:
        sends = {taken.next_call: send for taken, send in decided.sends}
        rows = [
            _row(request.request_id, claimed.call, sends[claimed.call.call_id])
            for request in requests
            for claimed in request.calls
        ]
        args: dict[str, Any] = {
            "target": self._target.name,
            "worker": self.worker,
            "lease_until": lease_until,
            "to": after(CommandState.WAITING, Event.CLAIM),
            "from": from_states(Event.CLAIM),
        }
        cursor = await conn.execute(_SQL["intend"], args | _columns(rows))
        if cursor.rowcount != len(rows):
            raise StoreError(
                f"{len(rows) - cursor.rowcount} of {len(rows)} commands were not there to be claimed",
                where=f"outbox of {self._target.name}",
                remedy="nothing was sent; report this defect",
            )

    async def _write_rest(self, conn: psycopg.AsyncConnection[Any], decided: _Batch, now: datetime) -> None:
        base = {"target": self._target.name, "now": now}
        if decided.settled:
            args = base | {"rows": dumps(decided.settled), "from": [CommandState.WAITING.value]}
            await conn.execute(_SQL["settle"], args)
        if decided.parked:
            await conn.execute(_SQL["open_exceptions"], base | {"rows": dumps(decided.parked)})
        if decided.closed:
            await conn.execute(_SQL["close_exceptions"], base | {"rows": dumps(decided.closed)})


def documents_of(target: TargetSpec) -> list[str]:
    """Objects that others may refer to only once they are posted."""
    return [name for name, profile in target.objects.items() if profile.post_action is not None]


def _decide(taken: Sequence[_Taken], target: TargetSpec, present: Mapping[RefKey, str]) -> _Batch:
    batch = _Batch()
    for item in taken:
        if item.earlier is not None:
            entity = str(item.command.key.entity_id)
            planned: Planned = Wait(f"behind command {item.earlier}", entity)
        else:
            planned = plan_call(item.record, item.command, target, present)
        _sort_in(batch, item, planned)
    return batch


def _sort_in(batch: _Batch, item: _Taken, planned: Planned) -> None:
    command = item.command
    row: dict[str, Any] = {"command_id": command.command_id}
    about = {"object": command.key.object, "entity_id": command.key.entity_id}
    match planned:
        case Send():
            batch.sends.append((item, planned))
            return
        case Wait():
            # Not a transition: it goes on waiting, and names what for.
            row |= {"state": "waiting", "reason": planned.reason, "blocked_on": planned.blocked_on}
            batch.blocked.append(command.command_id)
        case Done():
            event = Event.SETTLED if item.called else Event.SUPPRESS
            row |= {"state": after(CommandState.WAITING, event), "reason": planned.reason}
            batch.closed.append(about | {"reason": planned.reason})
        case Park():
            row |= {"state": after(CommandState.WAITING, Event.PARK), "reason": planned.code}
            batch.parked.append(_exception(item, planned))
    batch.settled.append(row)


def _exception(item: _Taken, park: Park) -> dict[str, Any]:
    command = item.command
    return {
        "command_id": command.command_id,
        "object": command.key.object,
        "entity_id": command.key.entity_id,
        "code": park.code,
        "message": park.message,
        "remedy": park.remedy,
        "diagnostics": {
            "external_key": item.record.external_key,
            "record": item.record.lifecycle,
            "kind": command.kind,
            "step": command.step,
            "correlation": command.correlation,
        },
    }


def _grouped(
    sends: Sequence[tuple[_Taken, Send]], target: TargetSpec
) -> Iterator[tuple[ObjectName, list[tuple[_Taken, Send]]]]:
    by_object: dict[ObjectName, list[tuple[_Taken, Send]]] = {}
    for pair in sends:
        by_object.setdefault(pair[0].record.key.object, []).append(pair)
    for name, group in by_object.items():
        size = max(1, min(target.limits.batch, target.objects[name].batch))
        for start in range(0, len(group), size):
            yield name, group[start : start + size]


def _call(taken: _Taken, send: Send) -> ClaimedCall:
    command = taken.command
    lines = [(c.action, c.external_key, c.body) for c in send.children]
    call = Call(
        CallId(taken.next_call), command.command_id, command.key, send.action, send.external_key, send.body,
        send.children, send.token, send.marker, digest(send.action, send.external_key, send.body, lines),
    )  # fmt: skip
    return ClaimedCall(call, send.more, command.attempts + 1)


class _Row(NamedTuple):
    """One call as the store keeps it: a field per column, named as the statement names them."""

    calls: int
    requests: int
    commands: int
    actions: str
    keys: str
    digests: str
    bodies: str
    markers: str | None
    progress: str


def _row(request_id: int, call: Call, send: Send) -> _Row:
    body: dict[str, Any] = {"header": call.body}
    if call.children:
        body["lines"] = [
            {"action": c.action, "entity_set": c.entity_set, "external_key": c.external_key, "body": c.body}
            for c in call.children
        ]
    progress = {**send.progress, "more": send.more, "if_match": call.token}
    return _Row(
        call.call_id, request_id, call.command_id, call.action, dumps(call.external_key), call.digest,
        dumps(body), call.marker, dumps(progress),
    )  # fmt: skip


def _columns(rows: Sequence[_Row]) -> dict[str, str]:
    columns = zip(*rows, strict=True)
    return {name: arrays.column(values) for name, values in zip(_Row._fields, columns, strict=True)}


def _read(target: TargetSpec, row: Sequence[Any]) -> _Taken:
    (command_id, object_name, entity_id, legal_entity, kind, step, wanted, refs, own, historical, defer,
    attempts,
     call_id, correlation, event_id, external_key, lifecycle, native_id, token, agreed, documents,
     next_call, earlier) = row  # fmt: skip
    key = RecordKey(target.name, ObjectName(object_name), EntityId(entity_id))
    record = Record(
        key,
        legal_entity,
        loads(external_key),
        lifecycle,
        native_id,
        token,
        loads(agreed),
        read_documents(documents),
    )
    command = Command(
        CommandId(command_id), key, _KIND[kind], step, loads(wanted), _references(refs), own,
        historical, attempts, legal_entity, defer, correlation, event_id,
    )  # fmt: skip
    return _Taken(record, command, call_id is not None, next_call, earlier)


def _references(text: str) -> tuple[Reference, ...]:
    if text == "[]":
        return ()
    return tuple(
        Reference(
            r["field"], ObjectName(r["object"]), EntityId(UUID(r["entity_id"])), r.get("deferrable", False)
        )
        for r in loads(text)
    )


def read_documents(text: str) -> tuple[Document, ...]:
    """record.documents as stored."""
    if text == "[]":
        return ()
    return tuple(
        Document(
            d["external_key"],
            d["kind"],
            d["lifecycle"],
            d.get("native_id"),
            d.get("token"),
            d.get("agreed") or {},
        )
        for d in loads(text)
    )
