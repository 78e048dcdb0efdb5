"""Writes pgoutput messages byte by byte from the protocol's documentation, for tests of the decoder."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from agent.model.changes import UNCHANGED, Value


def begin(commit_lsn: int, micros: int = 0, xid: int = 7) -> bytes:
    return b"B" + struct.pack(">QqI", commit_lsn, micros, xid)


def commit(commit_lsn: int, end_lsn: int | None = None, micros: int = 0) -> bytes:
    return b"C\0" + struct.pack(">QQq", commit_lsn, end_lsn or commit_lsn + 48, micros)


def relation(
    oid: int, schema: str, table: str, columns: Sequence[tuple[str, int, int, bool]], identity: str = "d"
) -> bytes:
    out = b"R" + struct.pack(">I", oid) + schema.encode() + b"\0" + table.encode() + b"\0" + identity.encode()
    out += struct.pack(">H", len(columns))
    for name, type_oid, type_mod, key in columns:
        out += bytes([key]) + name.encode() + b"\0" + struct.pack(">Ii", type_oid, type_mod)
    return out


def values(row: Sequence[Value]) -> bytes:
    out = struct.pack(">H", len(row))
    for value in row:
        if value is None:
            out += b"n"
        elif value is UNCHANGED:
            out += b"u"
        else:
            raw = str(value).encode("utf-8", "surrogateescape")
            out += b"t" + struct.pack(">I", len(raw)) + raw
    return out


def insert(oid: int, new: Sequence[Value]) -> bytes:
    return b"I" + struct.pack(">I", oid) + b"N" + values(new)


def update(
    oid: int, new: Sequence[Value], old: Sequence[Value] | None = None, *, full: bool = False
) -> bytes:
    before = b"" if old is None else (b"O" if full else b"K") + values(old)
    return b"U" + struct.pack(">I", oid) + before + b"N" + values(new)


def delete(oid: int, old: Sequence[Value], *, full: bool = False) -> bytes:
    return b"D" + struct.pack(">I", oid) + (b"O" if full else b"K") + values(old)


def truncate(oids: Sequence[int], options: int = 0) -> bytes:
    return b"T" + struct.pack(">IB", len(oids), options) + b"".join(struct.pack(">I", oid) for oid in oids)
