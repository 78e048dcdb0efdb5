"""Row changes as lines of PostgreSQL's COPY text format (pure). The hot path: one call per captured row."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from agent.model.changes import UNCHANGED, RowChange, Value

# Two bytes that legacy texts do not hold; a row that does hold one goes the slow way.
_SEPARATOR = "\x1f"
_NULL = "\x1e"
_SPECIAL = re.compile(r'[\\"\n\r\t\x1e\x1f]')
_MUST_ESCAPE = re.compile(r'[\\"\n\r\t\x1e]')
_ESCAPES = {"\\": "\\\\\\\\", '"': '\\\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def encode_row(stream_id: int, seq: int, txn_no: int, relation_id: int, change: RowChange) -> bytes:
    """One COPY line for coexist.inbox. Raises UnicodeEncodeError when a value is no valid text."""
    new, unchanged = _split(change.new)
    return (
        f"{stream_id}\t{seq}\t{txn_no}\t{relation_id}\t{change.op}\t{_array(change.old)}\t{new}\t{unchanged}\t"
        f"{'t' if change.old_complete else 'f'}\n"
    ).encode()


def encode_raw(change: RowChange) -> bytes:
    """A lossless form of a row that no set survives, for held_row.raw."""

    def plain(values: Sequence[Value] | None) -> list[str | None] | None:
        if values is None:
            return None
        return [None if v is None else "\x00unchanged" if v is UNCHANGED else printable(v) for v in values]

    return orjson.dumps({"op": change.op, "old": plain(change.old), "new": plain(change.new)})


def printable(value: object) -> str:
    """A text that any store takes, whatever bytes the source sent."""
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.replace("\x00", "\\x00")


def _split(values: Sequence[Value] | None) -> tuple[str, str]:
    if values is None:
        return "\\N", "\\N"
    if UNCHANGED not in values:
        return _array(values), "\\N"
    marks = [str(i) for i, v in enumerate(values, 1) if v is UNCHANGED]
    return _array([None if v is UNCHANGED else v for v in values]), "{" + ",".join(marks) + "}"


def _array(values: Sequence[Value] | None) -> str:
    if values is None:
        return "\\N"
    joined = _SEPARATOR.join([_NULL if v is None else v for v in values])  # type: ignore[misc]
    plain = joined.count(_SEPARATOR) == len(values) - 1 or not values
    if plain and _MUST_ESCAPE.search(joined) is None:
        return '{"' + joined.replace(_SEPARATOR, '","') + '"}' if values else "{}"
    return _array_slowly(values)


def _array_slowly(values: Sequence[Value]) -> str:
    parts = []
    for value in values:
        if value is None:
            parts.append("NULL")
        else:
            parts.append('"' + _SPECIAL.sub(_escape, value) + '"')  # type: ignore[arg-type]
    return "{" + ",".join(parts) + "}"


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0], match[0])
