"""COPY's text format: one line in, one tuple of texts out. Pure."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(N|[bfnrtv\\]|x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def parse_line(line: bytes) -> tuple[str | None, ...]:
    """The fields of one line of COPY … TO STDOUT, its newline included."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("utf-8", "surrogateescape")
    fields = text[:-1].split("\t")
    if "\\" not in text:
        return tuple(fields)
    return tuple([None if f == "\\N" else _unescaped(f) if "\\" in f else f for f in fields])


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(_one, field)


def _one(match: re.Match[str]) -> str:
    letter = match[1]
    # COPY TO writes only these; the numeric forms, which it never writes, would need bytes and are left as
    # they are.
    return _LETTERS.get(letter, letter)
