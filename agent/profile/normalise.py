"""Canonical in, canonical out, as the target would keep it: the form that is digested, compared and
agreed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from agent.model.commands import Json
from agent.profile.compiled import Compiled, Lines, compiled
from agent.profile.errors import NotFitting
from agent.profile.values import Field
from cdc_config.profile import ObjectProfile


def normalise(obj: ObjectProfile, wanted: Json) -> dict[str, Any]:
    """The wanted fields that the target has, each as the target would keep it; raises NotFitting.

    Fields the object's profile does not list are left out (key sources such as `external_number` go into
    the external
    key, a lifecycle into steps), and so are nulls of fields that are never cleared. Lines come sorted by
    their key.
    Idempotent: normalise(normalise(x)) == normalise(x).
    """
    form: Compiled = compiled(obj)
    result = fit_fields(form.fields, wanted)
    if form.lines is not None and form.lines.name in wanted:
        result[form.lines.name] = fit_lines(form.lines, wanted[form.lines.name] or ())
    return result


def fit_fields(fields: Iterable[Field], wanted: Json) -> dict[str, Any]:
    """The listed fields that are present in `wanted`, normalised."""
    result: dict[str, Any] = {}
    for field in fields:
        name = field.name
        if name in wanted:
            value = field.fit(wanted[name])
            if value is not None or not field.omit_null:
                result[name] = value
    return result


def fit_lines(lines: Lines, wanted: Iterable[Json]) -> list[dict[str, Any]]:
    """Lines normalised and in a stable order; keyed ones by key (doubles refused), others by content."""
    result = [_fit_line(lines, number, line) for number, line in enumerate(wanted, 1)]
    if not lines.line_key:
        return sorted(result, key=lambda line: [str(value) for _, value in sorted(line.items())])
    names = [field.name for _, field in lines.line_key]
    result.sort(key=lambda line: tuple(line[name] for name in names))
    for one, other in pairwise(result):
        if all(one[name] == other[name] for name in names):
            key = ", ".join(f"{name}={one[name]}" for name in names)
            raise NotFitting(
                "duplicate_line",
                lines.name,
                f"two lines have the same key ({key})",
                "the target keeps one line per key: correct the mapping's line key",
            )
    return result


def _fit_line(lines: Lines, number: int, line: Json) -> dict[str, Any]:
    try:
        fitted = fit_fields(lines.fields, line)
        for _, field in lines.line_key:
            if line.get(field.name) is None:
                raise NotFitting("key_missing", field.name, "a line has no key", "map the line's key field")
            fitted[field.name] = field.fit(line[field.name])
        return fitted
    except NotFitting as error:
        error.where = f"{lines.name}[{number}], {error.where}"
        raise
