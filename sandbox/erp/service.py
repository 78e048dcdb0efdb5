"""The tenant without its sockets: requests in, answers out, every write recorded before its answer."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import orjson

from sandbox.erp.batch import changeset_bytes, multipart_bytes, parse_batch, part_bytes
from sandbox.erp.business import Business
from sandbox.erp.config import Settings
from sandbox.erp.errors import Refused, no_resource
from sandbox.erp.faults import Faults
from sandbox.erp.reads import JSON, Answer, Reader
from sandbox.erp.record import Arrival, Record
from sandbox.erp.sets import LEGAL_ENTITIES, PARAMETERS, SETS
from sandbox.erp.state import State, Unit
from sandbox.erp.target import Target, parse_target
from sandbox.erp.writes import Operation, Writer

_KEY, _ACCEPTED, _STATUS, _REASON = 5, 6, 7, 8
ROLLED_BACK = "changeset rolled back"


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and under which numbers it is recorded."""

    request_id: str
    client: str
    at: float
    batch_id: str | None = None


class Service:
    """State, rules and record of one tenant."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.settings = settings
        self.faults = faults
        self.record = Record(settings.record, settings.tenant)
        self.asked: list[Target] = []  # what the current request read; looked at by late work
        self.operations = 0
        self.arrivals, self.effects = self.record.counts()
        self._start("http://127.0.0.1")
        self.record.load(self.state)

    def _start(self, base: str) -> None:
        self.state = State(tuple(SETS.values()))
        self.business = Business(self.state, self.settings)
        self.business.periods = self.record.periods()
        self.reader = Reader(self.state, self.settings, base)
        self.writer = Writer(self.state, self.settings, self.business, base)
        for company in self.settings.companies:
            self._constant(
                LEGAL_ENTITIES.name,
                (company.code.upper(),),
                {"LegalEntityId": company.code, "Name": company.name, "AccountingCurrency": company.currency},
            )
        self._constant(
            PARAMETERS.name,
            (0,),
            {
                "ID": 0,
                "TenantId": self.settings.tenant,
                "EnvironmentName": "sandbox",
                "DefaultCompany": self.settings.default_company,
            },
        )

    def _constant(self, name: str, key: tuple[object, ...], fields: dict[str, object]) -> None:
        table = self.state.tables[name]
        table.set(key, self.state.restored(table.schema, fields, len(table.rows) + 1, 1))

    def serve_at(self, base: str) -> None:
        """Learn the address that links in answers begin with."""
        self.reader.base = self.writer.base = base

    def reset(self) -> None:
        """An empty tenant with an empty record."""
        self.record.clear()
        self.arrivals = self.effects = self.operations = 0
        self._start(self.reader.base)

    def close(self) -> None:
        """Close the record."""
        self.record.close()

    def handle(self, op: Operation, context: Context) -> Answer:
        """One authorised HTTP request under /data, recorded when this returns."""
        self.asked.clear()
        try:
            if op.method == "POST" and op.raw.partition("?")[0] == "/data/$batch":
                return self._batch(op, context)
            return self._alone(op, context)
        finally:
            self.record.flush(self.state)

    def refused(self, op: Operation, context: Context, status: int, reason: str) -> None:
        """Record a write that arrived and was turned away before any work."""
        if op.method == "GET":
            return
        entry = self._arrive(op, context)
        try:
            target = parse_target(op.raw)
            entry[4] = target.name
            if target.schema is not None and target.values is not None:
                entry[_KEY] = orjson.dumps(dict(zip(target.schema.keys, target.values, strict=True))).decode()
        except Refused:
            pass
        entry[_STATUS], entry[_REASON] = status, reason
        self.record.flush(self.state)

    def _arrive(self, op: Operation, context: Context) -> Arrival:
        digest = blake2b(op.method.encode(), digest_size=12)
        digest.update(op.raw.encode("utf-8", "replace"))
        digest.update(op.body)
        entry = [
            context.at,
            context.request_id,
            context.batch_id,
            op.method,
            None,
            None,
            0,
            0,
            None,
            op.body.decode("utf-8", "replace"),
            context.client,
            digest.hexdigest(),
        ]
        self.record.arrivals.append(entry)
        self.arrivals += 1
        return entry

    def _operate(self, op: Operation, unit: Unit, entry: Arrival | None) -> Answer:
        """One operation; raises Refused with the entry filled in."""
        self.operations += 1
        try:
            if self.faults.on_operations:
                self.faults.check_operation(op.method, op.raw)
            op.target = target = parse_target(op.raw, in_batch=op.in_batch)
            if entry is None:
                self.asked.append(target)
                return self.reader.get(target, op.header("prefer"))
            entry[4] = target.name
            if target.action is not None:
                entry[3] = target.action
            answer = self.writer.perform(op, target, unit)
            entry[_KEY], entry[_ACCEPTED], entry[_STATUS] = op.key_json, 1, answer[0]
            return answer
        except Refused as refusal:
            if entry is not None:
                entry[_KEY], entry[_STATUS], entry[_REASON] = op.key_json, refusal.status, refusal.detail
            raise

    def _alone(self, op: Operation, context: Context) -> Answer:
        """One operation as a unit of its own."""
        unit = Unit(self.state)
        entry = None if op.method == "GET" else self._arrive(op, context)
        try:
            answer = self._operate(op, unit, entry)
            self._commit(unit, entry)
            return answer
        except Refused as refusal:
            unit.roll_back()
            return _answer(refusal)
        except Exception:
            unit.roll_back()
            raise

    def _commit(self, unit: Unit, entry: Arrival | None) -> None:
        try:
            self.business.finish(unit)
        except Refused as refusal:
            if entry is not None:
                entry[_ACCEPTED], entry[_STATUS], entry[_REASON] = 0, refusal.status, refusal.detail
            raise
        self.state.vouchers += unit.vouchers
        if entry is not None:
            self.effects += 1

    def _changeset(self, operations: list[Operation], context: Context) -> tuple[bool, bytes]:
        """All or nothing; (whether done, the part of the answer)."""
        unit = Unit(self.state)
        entries = [self._arrive(op, context) for op in operations]
        created: dict[str, str] = {}
        answers, at = [], 0
        try:
            for at, op in enumerate(operations):
                if op.raw[0] == "$":
                    op.raw = _referenced(op.raw, created)
                answer = self._operate(op, unit, entries[at])
                for name, value in answer[1]:
                    if name == "Location" and op.content_id is not None:
                        created[op.content_id] = value
                answers.append(part_bytes(answer, op.content_id))
            self.business.finish(unit)
        except Refused as refusal:
            unit.roll_back()
            _undone(entries, at, refusal)
            return False, part_bytes(_answer(refusal), operations[at].content_id)
        except Exception:
            unit.roll_back()
            _undone(entries, at, Refused(500, "internal error"))
            raise
        self.state.vouchers += unit.vouchers
        self.effects += len(entries)
        return True, changeset_bytes(answers, f"changesetresponse_{context.request_id}_{self.operations}")

    def _batch(self, outer: Operation, context: Context) -> Answer:
        try:
            parts = parse_batch(outer.header("content-type"), outer.body, self.settings.max_batch)
        except Refused as refusal:
            self.refused(outer, context, refusal.status, refusal.detail)
            return _answer(refusal)
        context = Context(context.request_id, context.client, context.at, context.request_id)
        go_on = "odata.continue-on-error" in outer.header("prefer").replace(
            "odata.continue-on-error=false", ""
        )
        answers: list[bytes] = []
        stopped = False
        for part in parts:
            if stopped:
                self._never_reached(part, context)
                continue
            if isinstance(part, list):
                done, answer = self._changeset(part, context)
            else:
                single = self._alone(part, context)
                done, answer = single[0] < 400, part_bytes(single, part.content_id)
            answers.append(answer)
            stopped = not (done or go_on)
        boundary = f"batchresponse_{context.request_id}"
        return (
            200,
            [("Content-Type", f"multipart/mixed; boundary={boundary}")],
            multipart_bytes(answers, boundary),
        )

    def _never_reached(self, part: Operation | list[Operation], context: Context) -> None:
        for op in part if isinstance(part, list) else [part]:
            if op.method != "GET":
                self._arrive(op, context)[_REASON] = "not processed: an earlier part of the batch failed"


def _undone(entries: list[Arrival], at: int, refusal: Refused) -> None:
    for number, entry in enumerate(entries):
        entry[_ACCEPTED] = 0
        if number == at:
            entry[_STATUS], entry[_REASON] = refusal.status, refusal.detail
        else:
            entry[_STATUS], entry[_REASON] = (refusal.status if number < at else 0), ROLLED_BACK


def _referenced(raw: str, created: dict[str, str]) -> str:
    name, slash, rest = raw[1:].partition("/")
    location = created.get(name)
    if location is None:
        raise no_resource(raw)
    return location + slash + rest


def _answer(refusal: Refused) -> Answer:
    return refusal.status, [JSON, *refusal.headers], refusal.body()
