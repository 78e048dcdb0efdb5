"""A deterministic in-memory target: enforced keys, version tokens or neither, per the profile; and faults
on demand.

It keeps its own record: `arrivals` is every write that came, `effects` those that it accepted. It knows
profiles only to tell what is enforced; it never looks at the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agent.model.commands import Action, Call, CallResult, Found, Json, RecordKey, ResultKind
from agent.model.ids import ObjectName
from cdc_config.profile import ObjectProfile

Fault = Literal["", "drop_before", "drop_after", "late", "retry", "park"]


@dataclass
class Held:
    """One record as the target has it."""

    object: str
    key: dict[str, Any]
    native: dict[str, Any]
    lifecycle: str
    version: int = 1
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    native_id: str | None = None


@dataclass(frozen=True)
class Effect:
    """One accepted write."""

    call: Call
    record: str


class MemoryTarget:
    """See the module. `faults` are used up one per call, in order."""

    def __init__(self, objects: dict[str, ObjectProfile]) -> None:
        self.objects = objects
        self.held: dict[str, Held] = {}
        self.arrivals: list[Call] = []
        self.effects: list[Effect] = []
        self.faults: list[Fault] = []
        self.late: list[Call] = []
        self.asked: list[RecordKey] = []
        self.requests = 0
        self.retry_after: datetime | None = None
        self._numbers = 0

    async def check_tenant(self) -> None:
        """There is only one."""

    async def close(self) -> None:
        """Nothing to release."""

    async def send(self, calls: Sequence[Call]) -> list[CallResult]:
        """Perform, with the next faults."""
        self.requests += 1
        return [self._one(call, self.faults.pop(0) if self.faults else "") for call in calls]

    def _one(self, call: Call, fault: Fault) -> CallResult:
        if fault == "drop_before":
            return CallResult(call.call_id, ResultKind.UNKNOWN)
        if fault == "late":
            self.late.append(call)
            return CallResult(call.call_id, ResultKind.UNKNOWN)
        if fault == "retry":
            return CallResult(
                call.call_id, ResultKind.RETRY, status=500, code="busy", retry_after=self.retry_after
            )
        if fault == "park":
            return CallResult(call.call_id, ResultKind.PARK, status=400, code="validation", message="refused")
        result = self.arrive(call)
        return CallResult(call.call_id, ResultKind.UNKNOWN) if fault == "drop_after" else result

    def held_by(self, name: str, value: str) -> Held:
        """The one record with this key field."""
        (held,) = [h for h in self.held.values() if h.key.get(name) == value]
        return held

    def do_late(self) -> None:
        """The requests that were slow do their work now."""
        late, self.late = self.late, []
        for call in late:
            self.arrive(call)

    async def find(self, key: RecordKey, external_key: Json, marker: str | None) -> list[Found]:
        """By whole key, or by marker."""
        self.asked.append(key)
        profile = self.objects[key.object]
        if profile.server_key and profile.server_key not in external_key:
            name = profile.protection.marker or ""
            return [
                self._found(h)
                for h in self.held.values()
                if h.object == key.object and h.native.get(name) == marker
            ]
        held = self.held.get(_name(key.object, external_key))
        return [self._found(held)] if held else []

    async def read_all(self, object_name: ObjectName) -> AsyncIterator[Found]:
        """Everything of an object."""
        for held in list(self.held.values()):
            if held.object == object_name:
                yield self._found(held)

    def arrive(self, call: Call) -> CallResult:
        """A write reaches the target: accepted (an effect) or refused."""
        if call.action is Action.DELETE:
            self._finish_creates(call)
        self.arrivals.append(call)
        refused = self._refuse(call)
        if refused is not None:
            return CallResult(call.call_id, ResultKind.CONFLICT, status=400, code=refused)
        held = self._write(call)
        self.effects.append(Effect(call, _name(held.object, held.key)))
        token = f"v{held.version}" if self.objects[held.object].protection.token else None
        return CallResult(
            call.call_id, ResultKind.ACCEPTED, held.native_id, token, 204 if call.action != "create" else 201
        )

    def _finish_creates(self, call: Call) -> None:
        """A key protects while its record is there: a create that is still running ends before the record
        goes.

        Beyond that no agent could be exact: a create that outlives the longest processing time, a repeat
        of it and a delete, makes the record anew. docs/reference/apply.md says so.
        """
        same = [
            c for c in self.late if (c.key.object, c.external_key) == (call.key.object, call.external_key)
        ]
        self.late = [c for c in self.late if c not in same]
        for late in same:
            self.arrive(late)

    def _refuse(self, call: Call) -> str | None:
        profile = self.objects[call.key.object]
        if call.action is Action.CREATE:
            there = _name(call.key.object, call.external_key) in self.held
            return "exists" if there and not profile.server_key else None
        held = self.held.get(_name(call.key.object, call.external_key))
        if held is None:
            return "gone"
        if profile.protection.token and call.token != f"v{held.version}":
            return "version_stale"
        if call.action is Action.POST:
            return "already_posted" if held.lifecycle == "posted" else None
        if call.action is Action.REVERSE:
            return "already_reversed" if held.lifecycle == "deleted" else None
        return "posted" if profile.post_action and held.lifecycle == "posted" else None

    def _write(self, call: Call) -> Held:
        profile = self.objects[call.key.object]
        if call.action is Action.CREATE:
            return self._create(profile, call)
        name = _name(call.key.object, call.external_key)
        held = self.held[name]
        held.version += 1
        if call.action is Action.DELETE:
            del self.held[name]
        elif call.action is Action.POST:
            held.lifecycle = "posted"
        elif call.action is Action.REVERSE:
            held.lifecycle = "deleted"
        else:
            held.native.update(call.body)
            _write_lines(held, call)
        return held

    def _create(self, profile: ObjectProfile, call: Call) -> Held:
        key = dict(call.external_key)
        native_id = None
        if profile.server_key:
            self._numbers += 1
            native_id = f"N-{self._numbers}"
            key = {name: call.body[name] for name in profile.key} | {profile.server_key: native_id}
        lifecycle = "live"
        if profile.post_action:
            flag = profile.historical_field
            lifecycle = "posted" if flag and call.body.get(flag[0]) == flag[1] else "draft"
        elif profile.server_key:
            lifecycle = "posted"
        held = Held(call.key.object, key, dict(call.body), lifecycle, native_id=native_id)
        _write_lines(held, call)
        if profile.children and profile.children.inline:
            for number, line in enumerate(held.native.pop(profile.children.navigation, ())):
                held.lines[str(number)] = dict(line)
        self.held[_name(held.object, key)] = held
        return held

    def _found(self, held: Held) -> Found:
        token = f"v{held.version}" if self.objects[held.object].protection.token else None
        native = held.native | {"lines": [dict(line) for line in held.lines.values()]}
        return Found(dict(held.key), held.native_id, token, held.lifecycle, native)


def _write_lines(held: Held, call: Call) -> None:
    for child in call.children:
        name = repr(sorted(child.external_key.items()))
        if child.action is Action.DELETE:
            held.lines.pop(name, None)
        else:
            held.lines[name] = held.lines.get(name, {}) | dict(child.external_key) | dict(child.body)


def _name(object_name: str, key: Json) -> str:
    return f"{object_name} {sorted(key.items())}"
