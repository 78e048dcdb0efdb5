"""Injected faults: which request they meet, and work that is done late."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.erp.business import key_of
from sandbox.erp.errors import Refused
from sandbox.erp.schema import SetSchema
from sandbox.erp.state import Key
from sandbox.erp.target import Target, parse_filter, satisfies

KINDS = ("status", "drop_before", "drop_after", "late", "stall", "nonsense", "truncate_body")
_FIELDS = {"kind", "match", "count", "skip", "status", "retry_after", "seconds", "work", "message"}
_MATCHES = {"method", "path", "body", "operation"}


@dataclass
class Fault:
    """One instruction; `count` is how many more requests it meets, after letting `skip` pass."""

    kind: str
    method: re.Pattern[str] | None = None
    path: re.Pattern[str] | None = None
    body: re.Pattern[bytes] | None = None
    operation: re.Pattern[str] | None = None
    count: int = 1
    skip: int = 0
    status: int = 503
    retry_after: float | None = None
    seconds: float = 1.0
    work: bool = False
    message: str = "The service is unavailable."
    fired: int = 0
    id: int = 0

    def due(self) -> bool:
        """A request matched: whether the fault meets it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count <= 0:
            return False
        self.count -= 1
        self.fired += 1
        return True

    def refusal(self) -> Refused:
        """The error a `status` fault answers."""
        headers = () if self.retry_after is None else (("Retry-After", f"{self.retry_after:g}"),)
        return Refused(self.status, self.message, headers=headers)


def make_fault(spec: dict[str, Any]) -> Fault:
    """Read a fault from the control plane; raises ValueError in words."""
    match = spec.get("match", {})
    if set(spec) - _FIELDS or set(match) - _MATCHES or spec.get("kind") not in KINDS:
        raise ValueError(
            f"a fault has {sorted(_FIELDS)}, match has {sorted(_MATCHES)}, kind is one of {KINDS}"
        )
    if "operation" in match and spec["kind"] != "status":
        raise ValueError("match.operation is for kind status only")
    patterns: dict[str, Any] = {k: re.compile(v.encode() if k == "body" else v) for k, v in match.items()}
    options = {k: v for k, v in spec.items() if k not in ("kind", "match")}
    options.setdefault("work", spec["kind"] == "nonsense")
    if spec["kind"] == "status" and spec.get("status", 503) == 429:
        options.setdefault("message", "Too many requests. Retry later.")
    return Fault(spec["kind"], **patterns, **options)


@dataclass
class Faults:
    """All faults of a sandbox, in the order they were given; the first that matches meets the request."""

    all: list[Fault] = field(default_factory=list)
    on_operations: bool = False

    def add(self, fault: Fault) -> int:
        """Arm a fault."""
        fault.id = len(self.all) + 1
        self.all.append(fault)
        self.on_operations = any(f.operation is not None for f in self.all)
        return fault.id

    def clear(self) -> None:
        """Forget all faults."""
        self.all.clear()
        self.on_operations = False

    def take(self, method: str, target: str, body: bytes) -> Fault | None:
        """The fault that meets this HTTP request, used up by it."""
        for fault in self.all:
            if fault.operation is not None or fault.count <= 0:
                continue
            if "/oauth2/" in target and (fault.path is None or "oauth2" not in fault.path.pattern):
                continue
            if fault.method is not None and not fault.method.fullmatch(method):
                continue
            if fault.path is not None and not fault.path.search(target):
                continue
            if fault.body is not None and not fault.body.search(body):
                continue
            if fault.due():
                return fault
        return None

    def check_operation(self, method: str, target: str) -> None:
        """Raise the refusal of a fault that is meant for this operation."""
        for fault in self.all:
            if fault.operation is not None and fault.operation.search(f"{method} {target}") and fault.due():
                raise fault.refusal()

    def fired(self) -> int:
        """How many requests and operations met a fault."""
        return sum(f.fired for f in self.all)


@dataclass(frozen=True)
class Touched:
    """A record that late work will write: by key if known, and by what its body says."""

    schema: SetSchema
    key: Key | None
    fields: dict[str, Any]

    def asked_by(self, target: Target) -> bool:
        """Whether this GET asks about the record."""
        if target.schema is not self.schema:
            return False
        if target.key is not None:
            return target.key == self.key
        if target.query.filter is None:
            return True
        try:
            return satisfies(self.schema, self.fields, parse_filter(self.schema.name, target.query.filter))
        except Refused:
            return False


def touched(target: Target, doc: dict[str, Any]) -> Touched | None:
    """What a write to `target` with this body touches."""
    schema = target.schema
    if schema is None:
        return None
    fields: dict[str, Any] = {}
    for name, value in doc.items():
        check = schema.create_checks.get(name)
        try:
            fields[name] = value if check is None else check(value)
        except Refused:
            continue
    fields = {k: v for k, v in fields.items() if k in schema.by_name}
    if target.values is not None:
        fields |= dict(zip(schema.keys, target.values, strict=True))
    key = target.key
    if key is None and all(k in fields for k in schema.keys):
        key = key_of(schema, fields)
    return Touched(schema, key, fields)
