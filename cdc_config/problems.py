"""pydantic's errors as an operator's problems: file and line, field, value and remedy."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
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
    loc = tuple(detail["loc"])
    kind = detail["type"]
    where = str(root.find(loc).mark)
    name = dotted(loc)
    if kind == "extra_forbidden":
        return Problem(
            f"{name}: unknown field", where, did_you_mean(str(loc[-1]), fields_at(model, loc[:-1]))
        )
    if kind == "missing":
        return Problem(f"{name} is missing", where, f"add `{loc[-1]}: …` there")
    if _is_secret(model, loc):
        # Somebody may have written the secret itself here: its value is not repeated.
        return Problem(f"{name} must say where the secret lives", where, "write {env: NAME} or {file: PATH}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict | list) else f" {shorten(detail['input'])}"
    what = f"{name}:{value} is wrong: {message[:1].lower()}{message[1:]}"
    return Problem(what, where, f"change `{loc[-1]}`" if loc else "")


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


def fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """Names of the fields that may stand at `loc`."""
    found: list[str] = []
    for candidate in _types_at(model, loc):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            found += candidate.model_fields
    return found


def _is_secret(model: type[BaseModel], loc: Loc) -> bool:
    return any(SecretRef in _types_at(model, loc[:n]) for n in range(1, len(loc) + 1))


def _types_at(root: Any, loc: Loc) -> list[Any]:
    candidates = _unwrap(root)
    for step in loc:
        inner: list[Any] = []
        for candidate in candidates:
            inner += _step(candidate, step)
        candidates = inner
    return candidates


def _step(candidate: Any, step: str | int) -> list[Any]:
    origin, arguments = get_origin(candidate), get_args(candidate)
    if origin is dict:
        return _unwrap(arguments[1])
    if origin in (tuple, list):
        return _unwrap(arguments[0])
    if isinstance(candidate, type) and issubclass(candidate, BaseModel) and step in candidate.model_fields:
        return _unwrap(candidate.model_fields[str(step)].annotation)
    return []


def _unwrap(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrap(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in _unwrap(part)]
    return [annotation]
