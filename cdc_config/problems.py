"""pydantic's errors as an operator's problems: file and line, field, value and remedy."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from cdc_config.base import SecretRef
from cdc_config.errors import Problem
from cdc_config.lines import Item

Loc = Sequence[str | int]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown word: the likely one, else all."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(names)}" if names else "there is none to choose from"


def problems_of(error: ValidationError, root: Item, model: type[BaseModel]) -> list[Problem]:
    """Every pydantic error as a problem at the line it comes from."""
    return [_problem(detail, root, model) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, root: Item, model: type[BaseModel]) -> Problem:
    loc, types_along = _walk(model, detail["loc"])
    kind = detail["type"]
    where = str(root.find(loc).mark)
    name = dotted(loc)
    if kind == "extra_forbidden":
        return Problem(f"{name}: unknown field", where, did_you_mean(str(loc[-1]), _fields(types_along[-2])))
    if kind == "missing":
        return Problem(f"{name} is missing", where, f"add `{loc[-1]}: …` there")
    if any(SecretRef in candidates for candidates in types_along[1:]):
        # Somebody may have written the secret itself here: its value is not repeated.
        return Problem(f"{name} must say where the secret lives", where, "write {env: NAME} or {file: PATH}")
    if kind == "union_tag_invalid":
        return _of_no_kind(detail, name, where)
    message = str(detail["msg"]).removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict | list) else f" {shorten(detail['input'])}"
    what = f"{name}:{value} is wrong: {message[:1].lower()}{message[1:]}"
    return Problem(what, where, f"change `{loc[-1]}`" if loc else "")


def _of_no_kind(detail: ErrorDetails, name: str, where: str) -> Problem:
    """A block that is none of several kinds: the field that says which one it is has an unknown value."""
    given, context = detail["input"], detail.get("ctx", {})
    if not isinstance(given, dict):
        return Problem(f"{name}: {shorten(given)} is no block", where, "write `name: value` lines below it")
    kinds, chooses = context.get("expected_tags", ""), str(context.get("discriminator", "")).strip("_()'")
    what = f"{name}.{chooses}: {shorten(context.get('tag'))} is wrong: it is none of {kinds}"
    return Problem(what, where, f"change `{chooses}`")


def dotted(loc: Loc) -> str:
    """A location as the operator would write it: ownership.rules[2].owner."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text or "the file"


def shorten(value: object) -> str:
    """A value for an error text."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _fields(candidates: Sequence[Any]) -> list[str]:
    """Names of the fields of those types that have any."""
    models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
    return [name for model in models for name in model.model_fields]


def _walk(model: type[BaseModel], loc: Loc) -> tuple[tuple[str | int, ...], list[list[Any]]]:
    """pydantic's location as the file has it, and the possible types before its first step and after each.

    pydantic counts which member of a union was meant as a step (a tag): the file has no such step, but it tells the type.
    """
    kept: list[str | int] = []
    annotations: list[Any] = [model]
    types_along = [_unwrap(model)]
    for step in loc:
        tagged = [a for a in annotations if _tag(a) == step]
        if tagged:
            types_along[-1] = [inner for a in tagged for inner in _unwrap(a)]
            annotations = list(types_along[-1])
            continue
        kept.append(step)
        annotations = [part for c in types_along[-1] for part in _members(_inside(c, step))]
        types_along.append([inner for a in annotations for inner in _unwrap(a)])
    return tuple(kept), types_along


def _inside(candidate: Any, step: str | int) -> Any:
    """The annotation of what stands at `step` within a value of this type; None where nothing can."""
    origin, arguments = get_origin(candidate), get_args(candidate)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list):
        return arguments[0]
    if isinstance(candidate, type) and issubclass(candidate, BaseModel) and step in candidate.model_fields:
        return candidate.model_fields[str(step)].annotation
    return None


def _tag(annotation: Any) -> str | None:
    """The name of a union's member, where it has one."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((str(a.tag) for a in get_args(annotation)[1:] if isinstance(a, Tag)), None)


def _members(annotation: Any) -> list[Any]:
    """The members of a union, with their tags; anything else is its own only member, None has none."""
    if annotation is None:
        return []
    origin = get_origin(annotation)
    if origin is Annotated and _tag(annotation) is None:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in _members(part)]
    return [annotation]


def _unwrap(annotation: Any) -> list[Any]:
    """The types behind an annotation, without tags and other remarks."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrap(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in _unwrap(part)]
    return [annotation]
