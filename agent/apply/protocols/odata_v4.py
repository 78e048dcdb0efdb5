"""OData v4 as Dynamics 365 Finance & Operations and its kin speak it: calls → requests, answers → results.
No socket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from agent.apply.protocols.classify import Verdict, classifier, retry_after
from agent.apply.protocols.literals import entity_path, equals
from agent.apply.protocols.messages import Answer, Operation
from agent.apply.protocols.multipart import Malformed, parse_batch
from agent.model.commands import Action, Call, CallResult, ChildWrite, Found, Json, ResultKind
from cdc_config.profile import Limits, ObjectProfile, Profile

_JSON = ("Content-Type", "application/json")
_MINIMAL = ("Prefer", "return=minimal")
_exact = json.JSONDecoder(parse_float=Decimal)


class Planned(NamedTuple):
    """A call and the operations that perform it, all or none. place: where its result belongs."""

    place: int
    call: Call
    operations: tuple[Operation, ...]


class ODataV4:
    """The dialect, bound to one profile. Every method is a pure function of its arguments."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._classify = classifier(profile.errors)

    # ------------------------------------------------------------ requests

    def operations(self, call: Call) -> tuple[Operation, ...]:
        """The writes of one call in order: the header, then its lines.

        Where the object has version tokens, a change of lines alone still patches the header with
        nothing, so that the token guards the document and a late or repeated request is refused.
        """
        obj = self._profile.objects[call.key.object]
        query = self._scope(obj)
        return (*self._header(obj, call, query), *[_child(child, query) for child in call.children])

    def _header(self, obj: ObjectProfile, call: Call, query: str) -> tuple[Operation, ...]:
        if call.action is Action.CREATE:
            headers = (_JSON,) if obj.server_key else (_JSON, _MINIMAL)
            return (Operation("POST", f"{obj.entity_set}{query}", headers, dump(call.body)),)
        path = entity_path(obj.entity_set, call.external_key)
        match = (("If-Match", call.token),) if call.token and obj.protection.token else ()
        if call.action is Action.UPDATE:
            if not call.body and call.children and not obj.protection.token:
                return ()
            return (Operation("PATCH", f"{path}{query}", (_JSON, *match), dump(call.body)),)
        if call.action is Action.DELETE:
            return (Operation("DELETE", f"{path}{query}", match),)
        action = obj.reverse_action if call.action is Action.REVERSE else obj.post_action
        url = f"{path}/{self._profile.action_namespace}.{action}{query}"
        return (Operation("POST", url, (_JSON, *match), dump(call.body)),)

    def _scope(self, obj: ObjectProfile) -> str:
        return "?cross-company=true" if self._profile.cross_company and obj.legal_entity_field else ""

    def plan(self, calls: Sequence[Call], limits: Limits) -> list[list[Planned]]:
        """Calls grouped into requests, in order, within the limits on calls, objects and operations of one
        request."""
        groups: list[list[Planned]] = []
        size, most = 0, 0
        for place, call in enumerate(calls):
            planned = Planned(place, call, self.operations(call))
            most = min(most, limits.batch, self._profile.objects[call.key.object].batch)
            size += len(planned.operations)
            if not groups or len(groups[-1]) >= most or size > limits.operations:
                groups.append([])
                size = len(planned.operations)
                most = min(limits.batch, self._profile.objects[call.key.object].batch)
            groups[-1].append(planned)
        return groups

    def find_path(self, object_name: str, external_key: Json, marker: str | None) -> str:
        """Where to ask for one record: by its whole key, else by marker, else by the key fields that are
        known."""
        obj = self._profile.objects[object_name]
        options = self._read_options(obj)
        if len(external_key) == len(obj.key) + (obj.server_key is not None):
            return f"{entity_path(obj.entity_set, external_key)}{_query(options)}"
        terms = [equals(name, value) for name, value in external_key.items()]
        if marker is not None and obj.protection.marker is not None:
            terms.append(equals(obj.protection.marker, marker))
        if not terms:
            raise ValueError(f"{object_name}: nothing to ask by")
        return f"{obj.entity_set}{_query([*options, '$filter=' + '%20and%20'.join(terms)])}"

    def list_path(self, object_name: str) -> str:
        """Where everything of an object is read."""
        obj = self._profile.objects[object_name]
        return f"{obj.entity_set}{_query(self._read_options(obj))}"

    def _read_options(self, obj: ObjectProfile) -> list[str]:
        options = [self._scope(obj)[1:]] if self._scope(obj) else []
        return [*options, f"$expand={obj.children.navigation}"] if obj.children is not None else options

    # ------------------------------------------------------------ answers

    def batch_results(
        self, group: Sequence[Planned], answer: Answer, now: datetime
    ) -> list[CallResult] | None:
        """One result per call of a $batch, in order of `group`; None when the answer is no batch answer at
        all."""
        try:
            found = parse_batch(answer.headers.get("content-type", ""), answer.body)
        except Malformed:
            return None
        return [
            self.result(
                planned, [found.get(f"{number}.{index}") for index in range(len(planned.operations))], now
            )
            for number, planned in enumerate(group)
        ]

    def result(self, planned: Planned, answers: Sequence[Answer | None], now: datetime) -> CallResult:
        """What the answers to a call's operations say; one refusal refuses all of them (a changeset)."""
        call = planned.call
        first = answers[0]
        if len(answers) == 1 and first is not None and first.status == 204 and not self._must_name(call):
            token = first.headers.get("etag") or None
            return CallResult(call.call_id, ResultKind.ACCEPTED, None, token, first.status)
        refused = next((a for a in answers if a is not None and not 200 <= a.status < 300), None)
        if refused is not None:
            return self.refusal(call, refused, now)
        if any(a is None for a in answers):
            return unknown(call, "no_answer", "the answer does not say what became of this call")
        pairs = zip(planned.operations, answers, strict=True)
        if first is None or not all(a is not None and _makes_sense(o, a) for o, a in pairs):
            return unknown(
                call, "nonsense", "the answer is not what this protocol answers", first and first.status
            )
        native_id = self._native_id(call, first)
        if native_id is None and self._must_name(call):
            return unknown(
                call, "nonsense", "the answer does not name the record that was created", first.status
            )
        return CallResult(
            call.call_id, ResultKind.ACCEPTED, native_id, first.headers.get("etag") or None, first.status
        )

    def refusal(self, call: Call, answer: Answer, now: datetime) -> CallResult:
        """The result of a call that was answered with anything but success."""
        verdict: Verdict = self._classify(call.action, answer)
        moment = retry_after(answer, now) if verdict.kind is ResultKind.RETRY else None
        return CallResult(
            call.call_id, verdict.kind, None, None, answer.status, verdict.code, verdict.message, moment
        )

    def _must_name(self, call: Call) -> bool:
        """Whether the answer must say under which number the record was created."""
        return call.action is Action.CREATE and self._profile.objects[call.key.object].server_key is not None

    def _native_id(self, call: Call, answer: Answer) -> str | None:
        server_key = self._profile.objects[call.key.object].server_key
        if server_key is None or not self._must_name(call):
            return None
        try:
            value = orjson.loads(answer.body)[server_key]
        except (ValueError, KeyError, TypeError):
            return None
        return value if isinstance(value, str) and value else None

    def records(self, object_name: str, answer: Answer) -> tuple[list[Found], str | None]:
        """Records of a GET by key, by filter or of a page; the link to the next page. Raises ValueError."""
        obj = self._profile.objects[object_name]
        rows, link = _rows(answer)
        return [found(obj, row) for row in rows], link

    def rows(self, answer: Answer) -> list[dict[str, Any]]:
        """The plain rows of a GET. Raises ValueError."""
        return _rows(answer)[0]


def found(obj: ObjectProfile, row: Mapping[str, Any]) -> Found:
    """One native record as the line knows it; raises ValueError when it lacks its key."""
    native = {name: value for name, value in row.items() if not name.startswith("@")}
    if obj.children is not None:
        native["lines"] = [_clean(line) for line in native.pop(obj.children.navigation, None) or ()]
    names = [*obj.key, *([obj.server_key] if obj.server_key else [])]
    if any(native.get(name) in (None, "") for name in names):
        raise ValueError("a record without its key")
    key = {name: _key_value(obj, name, native[name]) for name in names}
    state = "live"
    if obj.status_field is not None:
        state = obj.status_values.get(str(native.get(obj.status_field)), "draft")
    native_id = str(native[obj.server_key]) if obj.server_key else None
    return Found(key, native_id, row.get("@odata.etag"), state, native)


def _rows(answer: Answer) -> tuple[list[dict[str, Any]], str | None]:
    data = _exact.decode(answer.body.decode("utf-8"))
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    rows = data.get("value", [data])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("`value` is not a list of objects")
    link = data.get("@odata.nextLink")
    return rows, link if isinstance(link, str) else None


def unknown(call: Call, code: str, message: str, status: int | None = None) -> CallResult:
    """The call may or may not have been performed."""
    return CallResult(call.call_id, ResultKind.UNKNOWN, None, None, status, code, message)


def dump(body: Json) -> bytes:
    """JSON with every Decimal as the number it is, digit for digit."""
    return orjson.dumps(body, default=_number)


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _child(child: ChildWrite, query: str) -> Operation:
    if child.action is Action.CREATE:
        return Operation("POST", f"{child.entity_set}{query}", (_JSON, _MINIMAL), dump(child.body))
    path = f"{entity_path(child.entity_set, child.external_key)}{query}"
    if child.action is Action.DELETE:
        return Operation("DELETE", path)
    return Operation("PATCH", path, (_JSON,), dump(child.body))


def _makes_sense(operation: Operation, answer: Answer) -> bool:
    """204 has no body; other successes carry a JSON object. A page with status 200 is no created record."""
    if answer.status == 204:
        return True
    if answer.status != 201 and operation.method == "POST" and "(" not in operation.path:
        return False
    kind = answer.headers.get("content-type", "")
    return answer.complete and kind.startswith("application/json") and answer.body[:1] == b"{"


def _clean(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if not name.startswith("@")}


def _key_value(obj: ObjectProfile, name: str, value: Any) -> Any:
    return value.upper() if name in obj.key_upper and isinstance(value, str) else value


def _query(options: Sequence[str]) -> str:
    return "?" + "&".join(options) if options else ""


def halves(group: Sequence[Planned]) -> Iterator[list[Planned]]:
    """The group in two parts, so that one call that makes a server refuse the whole request can be found."""
    middle = len(group) // 2
    yield list(group[:middle])
    yield list(group[middle:])
