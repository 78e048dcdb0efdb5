"""Normalised canonical fields → what the target is sent, what it holds → canonical, and differences of both.

All functions but `canonicalise` and `reversal_of` expect what `normalise` returned (whole or a subset of
its fields).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agent.model.commands import Action, ChildWrite, Found, Json
from agent.profile.compiled import Lines, compiled
from agent.profile.keys import LEGAL_ENTITY, target_legal_entity
from agent.profile.normalise import fit_lines
from agent.profile.values import Field
from cdc_config.profile import ObjectProfile

_ABSENT = object()


class NativeDocument(NamedTuple):
    """A whole record to create: the header's body (key fields included) and its lines, to be sent
    together."""

    body: dict[str, Any]
    children: tuple[ChildWrite, ...]


def native_document(
    obj: ObjectProfile,
    external_key: Json,
    canonical: Json,
    legal_entities: Mapping[str, str],
    *,
    marker: str | None = None,
    historical: bool = False,
    reversal: bool = False,
    corrects: Json | None = None,
) -> NativeDocument:
    """Everything a create needs. corrects: external key of the document that this one reverses or
    succeeds."""
    body: dict[str, Any] = dict(external_key)
    body.update((k, v) for k, v in native_fields(obj, canonical, legal_entities).items() if v is not None)
    if marker is not None and obj.protection.marker is not None:
        body[obj.protection.marker] = marker
    if historical and obj.historical_field is not None:
        body[obj.historical_field[0]] = _flag(obj.historical_field[1])
    if reversal and obj.reversal_field is not None:
        body[obj.reversal_field[0]] = _flag(obj.reversal_field[1])
    if corrects and obj.corrects_field is not None:
        body[obj.corrects_field] = list(corrects.values())[-1]
    lines = compiled(obj).lines
    items: Sequence[Json] = canonical.get(lines.name) or () if lines is not None else ()
    if lines is not None and lines.profile.inline:
        if items:
            body[lines.profile.navigation] = [_line_body(lines, line) for line in items]
        return NativeDocument(body, ())
    return NativeDocument(body, native_children(obj, external_key, items, legal_entities))


def native_fields(obj: ObjectProfile, canonical: Json, legal_entities: Mapping[str, str]) -> dict[str, Any]:
    """The header fields among `canonical` under their native names; nulls as the profile says that they are
    cleared."""
    body: dict[str, Any] = {}
    for field in compiled(obj).fields:
        if field.name in canonical:
            value = canonical[field.name]
            if field.name == LEGAL_ENTITY and value is not None:
                value = target_legal_entity(value, legal_entities)
            body[field.native] = field.write(value)
    return body


def native_children(
    obj: ObjectProfile, external_key: Json, lines: Iterable[Json], legal_entities: Mapping[str, str]
) -> tuple[ChildWrite, ...]:
    """One create per line, keyed by the header's external key; none where lines travel inside the header's
    body."""
    form = compiled(obj).lines
    if form is None or form.profile.inline:
        return ()
    return tuple(_child(form, Action.CREATE, external_key, line, line) for line in lines)


def changed_fields(obj: ObjectProfile, agreed: Json, wanted: Json) -> dict[str, Any]:
    """Header fields of `wanted` that differ from `agreed` (both normalised). Absent from `wanted` means: not
    ours."""
    names = compiled(obj).names
    return {n: v for n, v in wanted.items() if n in names and agreed.get(n, _ABSENT) != v}


def changed_children(
    obj: ObjectProfile, external_key: Json, agreed: Iterable[Json], wanted: Iterable[Json]
) -> tuple[ChildWrite, ...]:
    """What makes the agreed lines the wanted ones: deletes, then updates, then creates, each in key order.

    A changed line that cannot be patched (`replace`) is among the deletes and among the creates.
    """
    form = compiled(obj).lines
    if form is None:
        return ()
    old = {_line_key(form, line): line for line in agreed}
    new = {_line_key(form, line): line for line in wanted}
    gone, fresh = old.keys() - new.keys(), new.keys() - old.keys()
    if form.profile.replace:
        altered = {key for key in old.keys() & new.keys() if old[key] != new[key]}
        gone, fresh = gone | altered, fresh | altered
    deletes = [_child(form, Action.DELETE, external_key, old[key], {}) for key in old if key in gone]
    updates = []
    for key in new:
        if key in old and key not in fresh:
            changed = {n: v for n, v in new[key].items() if n not in old[key] or old[key][n] != v}
            if changed:
                updates.append(_child(form, Action.UPDATE, external_key, new[key], changed))
    creates = [_child(form, Action.CREATE, external_key, new[key], new[key]) for key in new if key in fresh]
    return (*deletes, *updates, *creates)


def canonicalise(obj: ObjectProfile, found: Found, legal_entities: Mapping[str, str]) -> dict[str, Any]:
    """What the target holds, in canonical normalised terms. Never raises: a value of theirs that does not
    fit our
    field stays as it is, so that it shows as a difference. Holds the header's fields and the lines."""
    form = compiled(obj)
    result = _read_fields(form.fields, found.native)
    if LEGAL_ENTITY in result and legal_entities:
        ours = {theirs: code for code, theirs in legal_entities.items()}
        result[LEGAL_ENTITY] = ours.get(result[LEGAL_ENTITY], result[LEGAL_ENTITY])
    if form.lines is not None:
        result[form.lines.name] = _read_lines(form.lines, found.native.get("lines") or ())
    return result


def reversal_of(obj: ObjectProfile, agreed: Json) -> dict[str, Any]:
    """The canonical content of a document's reversal: the same, with every field marked `negated` negated."""
    negated = {name for name, profile in obj.fields.items() if profile.negated}
    result = {n: -v if n in negated and v else v for n, v in agreed.items()}
    form = compiled(obj).lines
    if form is not None and result.get(form.name):
        line_negated = {name for name, profile in form.profile.fields.items() if profile.negated}
        result[form.name] = [
            {n: -v if n in line_negated and v else v for n, v in line.items()} for line in result[form.name]
        ]
    return result


def _read_fields(fields: Iterable[Field], native: Json) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for field in fields:
        if field.native in native:
            value = field.read(native[field.native])
            if value is not None or not field.omit_null:
                result[field.name] = value
    return result


def _read_lines(lines: Lines, native: Iterable[Json]) -> list[dict[str, Any]]:
    result = []
    for item in native:
        line = _read_fields(lines.fields, item)
        for key, field in lines.line_key:
            if item.get(key) is not None:
                line[field.name] = field.read(item[key])
        result.append(line)
    try:
        return fit_lines(lines, result)
    except Exception:  # not ours to judge: in the order they came
        return result


def _line_body(lines: Lines, line: Json) -> dict[str, Any]:
    present = (f for f in lines.fields if line.get(f.name) is not None)
    return {f.native: f.write(line[f.name]) for f in present}


def _line_key(lines: Lines, line: Json) -> tuple[Any, ...]:
    return tuple(line[field.name] for _, field in lines.line_key)


def _child(lines: Lines, action: Action, header: Json, line: Json, body: Json) -> ChildWrite:
    key = {native: header[name] for native, name in lines.header_key}
    key.update((native, field.write(line[field.name])) for native, field in lines.line_key)
    fields = (f for f in lines.fields if f.name in body and f.native not in key)
    content = {f.native: f.write(body[f.name]) for f in fields}
    if action is Action.CREATE:
        content = {**key, **{native: value for native, value in content.items() if value is not None}}
    return ChildWrite(action, lines.profile.entity_set, key, content)


def _flag(value: str) -> Any:
    return {"true": True, "false": False}.get(value, value)
