"""An ObjectProfile, compiled once: closures per field and the rules for its lines."""

from __future__ import annotations

import re
from typing import NamedTuple

from agent.profile.values import Field, compile_field
from cdc_config.profile import ChildProfile, FieldProfile, ObjectProfile

_NAME = re.compile(r"\{(\w+)\}")


class KeyPart(NamedTuple):
    """One native key field: a template over canonical fields, taken apart into texts and names,
    alternating."""

    native: str
    pieces: tuple[str, ...]  # text, name, text, name, …, text
    max_length: int | None
    upper: bool


class Lines(NamedTuple):
    """The lines of a document. line_key: (native key field, canonical line field); header_key: (native,
    header's)."""

    name: str
    profile: ChildProfile
    fields: tuple[Field, ...]
    by_native: dict[str, Field]
    header_key: tuple[tuple[str, str], ...]
    line_key: tuple[tuple[str, Field], ...]


class Compiled(NamedTuple):
    """Everything the pure functions need, in the form they need it in."""

    fields: tuple[Field, ...]
    by_native: dict[str, Field]
    names: frozenset[str]
    key: tuple[KeyPart, ...]
    lines: Lines | None


_cache: dict[int, tuple[ObjectProfile, Compiled]] = {}


def compiled(obj: ObjectProfile) -> Compiled:
    """The compiled form; profiles are frozen and few, so they are kept by identity for the process's life."""
    held = _cache.get(id(obj))
    if held is None or held[0] is not obj:
        held = (obj, _compile(obj))
        _cache[id(obj)] = held
    return held[1]


def _compile(obj: ObjectProfile) -> Compiled:
    fields = tuple(compile_field(name, profile) for name, profile in obj.fields.items())
    key = tuple(
        KeyPart(native, tuple(_NAME.split(template)), obj.key_max_length.get(native), native in obj.key_upper)
        for native, template in obj.key.items()
    )
    lines = None if obj.children is None else _compile_lines(obj.children)
    return Compiled(fields, {f.native: f for f in fields}, frozenset(obj.fields), key, lines)


def _compile_lines(child: ChildProfile) -> Lines:
    fields = tuple(compile_field(name, profile) for name, profile in child.fields.items())
    by_name = {f.name: f for f in fields}
    header: list[tuple[str, str]] = []
    line: list[tuple[str, Field]] = []
    for native, source in child.key.items():
        side, _, name = source.partition(":")
        if side == "header":
            header.append((native, name))
        else:
            number = FieldProfile(native=native, type="integer")
            line.append((native, by_name.get(name) or compile_field(name, number)))
    return Lines(child.field, child, fields, {f.native: f for f in fields}, tuple(header), tuple(line))
