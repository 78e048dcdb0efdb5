"""The pgoutput format, protocol version 1: bytes in, messages out. Pure.

Row messages (I, U, D) become RowChange at once, because a hundred thousand of them come a second; the others
become small named tuples. Every decoder takes the message and the offset of its first byte (the kind), so
that a message is never copied out of its XLogData envelope, and checks that it was consumed to the last byte.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from agent.model.changes import UNCHANGED, RowChange, Value

BEGIN, COMMIT, ORIGIN, RELATION, TYPE, MESSAGE = b"BCORYM"
INSERT, UPDATE, DELETE, TRUNCATE = b"IUDT"

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NULL, _TOAST, _TEXT = b"nut"
_NEW = ord("N")

_head = Struct(">xIcH").unpack_from  # kind, relation, tuple kind, columns
_count = Struct(">H").unpack_from
_length = Struct(">I").unpack_from
_begin = Struct(">xQqI")
_commit = Struct(">xBQQq")
_relation = Struct(">xI")
_type = Struct(">Ii")
_truncate = Struct(">xIB")


class DecodeError(ValueError):
    """A message that is not what protocol version 1 allows."""


class Begin(NamedTuple):
    """commit_lsn: start of the transaction's commit record, known in advance."""

    commit_lsn: int
    committed_at: datetime
    xid: int


class Commit(NamedTuple):
    """end_lsn: first byte after the commit record."""

    commit_lsn: int
    end_lsn: int
    committed_at: datetime


class WireColumn(NamedTuple):
    """key: the column is part of the replica identity (all are under REPLICA IDENTITY FULL)."""

    name: str
    type_oid: int
    type_mod: int
    key: bool


class WireRelation(NamedTuple):
    """identity: d default, n nothing, f full, i index."""

    oid: int
    schema: str
    table: str
    identity: str
    columns: tuple[WireColumn, ...]


class Truncate(NamedTuple):
    """options: bit 0 cascade, bit 1 restart identity."""

    relations: tuple[int, ...]
    options: int


def decode_change(data: bytes, start: int = 0, errors: str = "strict") -> RowChange:
    """An insert, update or delete. Raises DecodeError."""
    try:
        return _change(data, start, errors)
    except UnicodeDecodeError:
        # Only a SQL_ASCII database can hold such bytes. They stay in the text as lone surrogates, so that
        # intake can single out that row; strict decoding first, because it is the faster one.
        return decode_change(data, start, "surrogateescape")
    except (StructError, IndexError) as error:
        raise DecodeError(f"row message cut short: {error}") from None


def _change(data: bytes, start: int, errors: str) -> RowChange:
    kind = data[start]
    ref, image, columns = _head(data, start)
    first, end = _tuple(data, start + 8, columns, errors)
    if kind == INSERT and image == b"N":
        change = RowChange(ref, "c", None, first)
    elif kind == UPDATE and image == b"N":
        change = RowChange(ref, "u", None, first)
    elif kind == UPDATE and image in b"KO" and data[end] == _NEW:
        new, end = _tuple(data, end + 3, _count(data, end + 1)[0], errors)
        full = image == b"O"
        change = RowChange(ref, "u", first, _filled(first, new), full)
    elif kind == DELETE and image in b"KO":
        change = RowChange(ref, "d", first, None, image == b"O")
    else:
        raise DecodeError(f"row message {kind:#x} with image {image!r}")
    if end != len(data):
        raise DecodeError(f"row message of {len(data) - start} bytes ends at {end - start}")
    return change


def _tuple(data: bytes, pos: int, columns: int, errors: str) -> tuple[tuple[Value, ...], int]:
    values: list[Value] = []
    append = values.append
    for _ in range(columns):
        kind = data[pos]
        if kind == _TEXT:
            begin = pos + 5
            # Lengths below 65,536 without a struct call: this is the innermost loop of the product.
            if data[pos + 1] or data[pos + 2]:
                pos = begin + _length(data, pos + 1)[0]
            else:
                pos = begin + (data[pos + 3] << 8 | data[pos + 4])
            append(data[begin:pos].decode("utf-8", errors))
        elif kind == _NULL:
            append(None)
            pos += 1
        elif kind == _TOAST:
            append(UNCHANGED)
            pos += 1
        else:
            raise DecodeError(f"column value of kind {kind:#x}")
    return tuple(values), pos


def _filled(old: tuple[Value, ...], new: tuple[Value, ...]) -> tuple[Value, ...]:
    """A full old image holds the large values that the statement left alone, and a key's image those of the key."""
    if UNCHANGED not in new:
        return new
    return tuple(o if n is UNCHANGED and o is not None else n for o, n in zip(old, new, strict=True))


def decode_begin(data: bytes, start: int = 0) -> Begin:
    """Raises DecodeError."""
    lsn, micros, xid = _fixed(_begin, data, start)
    return Begin(lsn, _time(micros), xid)


def decode_commit(data: bytes, start: int = 0) -> Commit:
    """Raises DecodeError."""
    _, lsn, end, micros = _fixed(_commit, data, start)
    return Commit(lsn, end, _time(micros))


def decode_truncate(data: bytes, start: int = 0) -> Truncate:
    """Raises DecodeError."""
    try:
        count, options = _truncate.unpack_from(data, start)
        refs = Struct(f">{count}I").unpack(data[start + _truncate.size :])
    except StructError as error:
        raise DecodeError(f"truncate message: {error}") from None
    return Truncate(refs, options)


def decode_relation(data: bytes, start: int = 0) -> WireRelation:
    """Raises DecodeError."""
    try:
        (oid,) = _relation.unpack_from(data, start)
        schema, pos = _name(data, start + 5)
        table, pos = _name(data, pos)
        identity = chr(data[pos])
        (count,) = _count(data, pos + 1)
        columns, pos = _columns(data, pos + 3, count)
    except (StructError, IndexError) as error:
        raise DecodeError(f"relation message cut short: {error}") from None
    if pos != len(data):
        raise DecodeError(f"relation message of {len(data) - start} bytes ends at {pos - start}")
    return WireRelation(oid, schema or "pg_catalog", table, identity, columns)


def _columns(data: bytes, pos: int, count: int) -> tuple[tuple[WireColumn, ...], int]:
    columns = []
    for _ in range(count):
        flags = data[pos]
        name, pos = _name(data, pos + 1)
        oid, modifier = _type.unpack_from(data, pos)
        pos += 8
        columns.append(WireColumn(name, oid, modifier, bool(flags & 1)))
    return tuple(columns), pos


def _name(data: bytes, pos: int) -> tuple[str, int]:
    end = data.find(b"\0", pos)
    if end < 0:
        raise DecodeError("text without its end")
    return data[pos:end].decode("utf-8", "surrogateescape"), end + 1


def _fixed(struct: Struct, data: bytes, start: int) -> tuple[int, ...]:
    if len(data) - start != struct.size:
        raise DecodeError(f"message of {len(data) - start} bytes instead of {struct.size}")
    return struct.unpack_from(data, start)


def _time(micros: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise DecodeError(f"commit time {micros} out of range") from None
