"""Debezium's JSON values as the texts that every capture hands over: as PostgreSQL prints them (pure).

What a value means is told by the column's type in the mirror; a value that does not fit it becomes a text that no cast
takes, so that the mirror holds its row and says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import orjson

from agent.capture.kafka.temporal import (
    date_text,
    time_text,
    timestamp_text,
    zoned_text,
    zoned_time_text,
    zoneless_text,
)
from agent.model.changes import UNCHANGED, Column, Value

Convert = Callable[[Any], str]

UNAVAILABLE = "__debezium_unavailable_value"
# The same in all its forms: a text, bytes as base64, a list of one, a list of its bytes, a map, a list of an id made from it.
UNAVAILABLE_BYTES = base64.b64encode(UNAVAILABLE.encode()).decode()
UNAVAILABLE_ID = str(UUID(bytes=hashlib.md5(UNAVAILABLE.encode(), usedforsecurity=False).digest(), version=3))
_PLACEHOLDERS: tuple[Any, ...] = (
    UNAVAILABLE, UNAVAILABLE_BYTES, [UNAVAILABLE], list(UNAVAILABLE.encode()), {UNAVAILABLE: UNAVAILABLE},
    orjson.dumps({UNAVAILABLE: UNAVAILABLE}).decode(), [UNAVAILABLE_ID],
)  # fmt: skip
# Whether a message can hold one at all: cheaper than a look at every value.
_TRACES = (UNAVAILABLE.encode(), UNAVAILABLE_BYTES.rstrip("=").encode(), b"[95,95,100,101,98,101,122,105,117,109,95",
           UNAVAILABLE_ID.encode())  # fmt: skip

_MODIFIED = re.compile(r"^([a-z\" ]+?)\s*\((\d+)[^)]*\)(.*)$")
# Debezium tells these as structures or not at all (a name as NULL), or loses something (the length of a bit string).
UNCAPTURED = "uncaptured"  # stands for the type of a column that the mirror has no type for
_REFUSED = frozenset({
    UNCAPTURED, "point", "line", "lseg", "box", "path", "polygon", "circle", "bit varying", "name", "pg_lsn", "txid_snapshot",
})


def captured(column: Column) -> bool:
    """Whether values of the column's type come through Debezium as what they are."""
    return _base(column.type_name.rstrip("[]"))[0] not in _REFUSED


def may_hold_placeholder(message: bytes) -> bool:
    """Whether a large value may have been left out of this message because the statement did not touch it."""
    return any(trace in message for trace in _TRACES)


def converter(type_name: str) -> Convert | None:
    """How a value of a mirror type becomes a text; None: it is one."""
    if type_name.endswith("[]"):
        return array(converter(type_name[:-2]))
    base, length = _base(type_name)
    if base == "bit":
        return _bits(length)
    return _CONVERTERS.get(base, _text)


def form(type_name: str) -> str:
    """In which form Debezium tells values of a type. Types of one form are read alike."""
    base = _base(type_name.removesuffix("[]"))[0]
    return _FORMS.get(base, "") + ("[]" if type_name.endswith("[]") else "")


def image_values(image: dict[str, Any], converts: Sequence[Convert | None]) -> tuple[Value, ...]:
    """A row image's values as texts; no placeholder is looked for."""
    return tuple([
        v if v is None or (c is None and v.__class__ is str) else (c or _text)(v)
        for v, c in zip(image.values(), converts, strict=True)
    ])  # fmt: skip


def image_values_with_placeholders(
    image: dict[str, Any], columns: Sequence[Column], converts: Sequence[Convert | None]
) -> tuple[Value, ...]:
    """The same where large values may have been left out. A key is never left out, whatever it looks like."""
    return tuple([
        v if v is None else UNCHANGED if not column.key and v in _PLACEHOLDERS else (c or _text)(v)
        for v, c, column in zip(image.values(), converts, columns, strict=True)
    ])  # fmt: skip


def _base(type_name: str) -> tuple[str, int]:
    match = _MODIFIED.match(type_name)
    return ((match[1] + match[3]).strip(), int(match[2])) if match else (type_name, 1)


def _text(value: Any) -> str:
    if value.__class__ is str:
        return str(value)
    return str(value) if isinstance(value, int | float) else orjson.dumps(value).decode()


def _boolean(value: Any) -> str:
    return ("t" if value else "f") if isinstance(value, bool) else str(value)


def _integer(value: Any) -> str:
    # MariaDB's BIT(1) is a boolean for Debezium and a small number for everybody else.
    return str(int(value)) if isinstance(value, bool) else str(value)


def _numeric(value: Any) -> str:
    if isinstance(value, int) and value < 0:
        return str(value + 2**64)  # an unsigned BIGINT beyond what a signed one holds; all other decimals come as texts
    return {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}.get(str(value), str(value))


def _float(digits: int) -> Convert:
    """digits: beyond so many before the point PostgreSQL writes an exponent."""

    def text(value: Any) -> str:
        if not isinstance(value, int | float):
            return _text(value)
        mantissa, _, exponent = f"{float(value)!r}e".partition("e")
        sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        whole, _, part = mantissa.partition(".")
        part = "" if part == "0" else part
        power = int(exponent.rstrip("e") or 0) + len(whole) - 1
        figures = (whole + part).lstrip("0")
        if not figures:
            return sign + "0"
        power -= len(whole + part) - len(figures)
        figures = figures.rstrip("0")
        if -4 <= power < digits:
            return sign + _plain(figures, power)
        return f"{sign}{figures[0]}{'.' + figures[1:] if figures[1:] else ''}e{power:+03}"

    return text


def _plain(figures: str, power: int) -> str:
    if power < 0:
        return "0." + "0" * (-power - 1) + figures
    whole = figures[: power + 1].ljust(power + 1, "0")
    return whole + ("." + figures[power + 1 :] if figures[power + 1 :] else "")


def _date(value: Any) -> str:
    return date_text(value) if value.__class__ is int else zoneless_text(str(value))


def _timestamp(value: Any) -> str:
    return timestamp_text(value) if value.__class__ is int else zoneless_text(str(value))


def _zoned(value: Any) -> str:
    return zoned_text(str(value))


def _time(value: Any) -> str:
    return time_text(value) if value.__class__ is int else str(value).removesuffix("Z")


def _zoned_time(value: Any) -> str:
    return zoned_time_text(str(value))


def _bytes(value: Any) -> str:
    try:
        return "\\x" + base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError, TypeError):
        return "\\x: not base64"  # without the first two characters it would be bytes


def _bits(length: int) -> Convert:
    def text(value: Any) -> str:
        if isinstance(value, bool):
            return str(int(value)).zfill(length)
        try:
            number = int.from_bytes(base64.b64decode(value, validate=True), "little")
        except (binascii.Error, ValueError, TypeError):
            return "not base64"
        # A cast to a shorter bit string would cut it.
        return format(number, f"0{length}b") if number < 1 << length else "too long"

    return text


def array(element: Convert | None) -> Convert:
    """How a list becomes PostgreSQL's text of an array, each element by `element`."""

    def one(value: Any) -> str:
        if value is None:
            return "NULL"
        text = (element or _text)(value)
        plain = text and text.upper() != "NULL" and not re.search(r'[\s{}",\\]', text)
        return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def text(value: Any) -> str:
        return "{" + ",".join(map(one, value)) + "}" if isinstance(value, list) else _text(value)

    return text


_CONVERTERS: dict[str, Convert | None] = {
    "text": None, "character varying": None, "character": None, "bpchar": None, "uuid": None, "json": None, "jsonb": None,
    "boolean": _boolean, "smallint": _integer, "integer": _integer, "bigint": _integer, "oid": _integer,
    "numeric": _numeric, "real": _float(6), "double precision": _float(15), "date": _date,
    "timestamp without time zone": _timestamp, "timestamp with time zone": _zoned,
    "time without time zone": _time, "time with time zone": _zoned_time, "interval": _time, "bytea": _bytes,
}  # fmt: skip
# All others come as what they are: numbers, or texts.
_FORMS = {
    "date": "days", "timestamp without time zone": "moment", "timestamp with time zone": "zoned", "bytea": "bytes",
    "bit": "bits", "time without time zone": "time", "time with time zone": "zoned time", "interval": "span",
}  # fmt: skip
