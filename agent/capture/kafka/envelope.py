"""One Kafka record as what it tells: a row, a transaction's begin or end, a schema change, a notice, or nothing (pure).

Recognised by its shape, for everything of a connector lies in one topic. Debezium's envelopes are read with and without their
schema beside them. Seen with Debezium 3.7 (PostgreSQL) and 3.5 (MariaDB).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import orjson

Headers = Mapping[str, str | bytes | None] | list[tuple[str, str | bytes | None]]

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')
_SNAPSHOT = frozenset({"true", "first", "first_in_data_collection", "last_in_data_collection", "last"})
_IMAGES = frozenset({dict, type(None)})
OPS = frozenset("curdtm")


class Unreadable(ValueError):
    """A record that is none of Debezium's. The text says what is wrong with it, and repeats none of its values."""


class Begin(NamedTuple):
    """A transaction begins. id: its name in the source, which its rows repeat."""

    id: str


class End(NamedTuple):
    """A transaction ended with `events` events. lsn: PostgreSQL only, where it ends; else None."""

    id: str
    events: int
    lsn: int | None


class Row(NamedTuple):
    """A row change, or a logical message (op m), which is none but is counted.

    transaction: its id, None for rows read by a snapshot and for messages outside of any. order: its number in the
    transaction, from 1. lsn: PostgreSQL only. place: MariaDB only, where in the binary log (position, row of the event).
    snapshot: "" or Debezium's mark.
    """

    op: str
    schema: str
    table: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    transaction: str | None
    order: int
    at: datetime
    lsn: int | None
    place: tuple[int, int] | None
    snapshot: str
    fields: dict[str, str]  # field → semantic type, where the schema is beside it

    @property
    def incremental(self) -> bool:
        """Read by an incremental snapshot: as new as the stream is at this place."""
        return self.snapshot == "incremental"

    @property
    def initial(self) -> bool:
        """Read by a snapshot that holds the stream up."""
        return self.snapshot in _SNAPSHOT


class SchemaChange(NamedTuple):
    """A DDL statement was carried out (MariaDB)."""

    tables: tuple[tuple[str, str], ...]
    snapshot: bool


class Notice(NamedTuple):
    """The connector tells how a snapshot goes. tables: as `schema.table`, where it names them."""

    about: str
    kind: str
    tables: tuple[str, ...]


class Nothing(NamedTuple):
    """A tombstone or a heartbeat: the source goes on, and nothing else."""


Event = Begin | End | Row | SchemaChange | Notice | Nothing
NOTHING = Nothing()


def decode(value: bytes | None) -> Event:
    """What a record's value tells. Raises Unreadable."""
    if value is None:
        return NOTHING
    try:
        payload = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON ({len(value)} bytes: {error.msg})") from None
    if not isinstance(payload, dict):
        raise Unreadable("it is no JSON object")
    schema: dict[str, Any] | None = None
    if "payload" in payload and "schema" in payload:
        schema, payload = payload["schema"], payload["payload"]
        if payload is None:
            return NOTHING
    try:
        return _event(payload, schema)
    except Unreadable:
        raise
    except KeyError as error:
        raise Unreadable(f"it has no field {error}") from None
    except (TypeError, AttributeError, ValueError, ArithmeticError, IndexError):
        raise Unreadable("a field is of another kind than Debezium's") from None


def moved_key(op: str, headers: Headers | None) -> bool:
    """Whether a delete or a create is one half of a change of the row's key."""
    name = "__debezium.newkey" if op == "d" else "__debezium.oldkey"
    return name in dict(headers or ())


def _event(payload: dict[str, Any], schema: dict[str, Any] | None) -> Event:
    if "op" in payload:
        return _row(payload, schema)
    if "status" in payload and "id" in payload:
        return _marker(payload)
    if "ddl" in payload and "source" in payload:
        return _schema_change(payload)
    if "aggregate_type" in payload:
        more = payload.get("additional_data") or {}
        tables = tuple(t for t in str(more.get("data_collections") or "").split(",") if t)
        return Notice(_as(str, payload["aggregate_type"]), _as(str, payload["type"]), tables)
    if "ts_ms" in payload and payload.keys() <= {"ts_ms", "ts_us", "ts_ns"}:
        return NOTHING
    raise Unreadable("it is no change event, transaction marker, schema change, notice or heartbeat of Debezium")


def _row(payload: dict[str, Any], schema: dict[str, Any] | None) -> Row:
    op, source = payload["op"], payload["source"]
    if op not in OPS:
        raise Unreadable(f"unknown operation {op!r:.12}")
    before, after, transaction = payload.get("before"), payload.get("after"), payload.get("transaction")
    if (after is None) == (op in "cur") or (op == "d" and before is None):
        raise Unreadable(f"operation {op!r} without its row image")
    if before.__class__ not in _IMAGES or after.__class__ not in _IMAGES:
        raise TypeError
    snapshot, lsn = source.get("snapshot"), source.get("lsn")
    return Row(
        op,
        _as(str, source.get("schema") or source.get("db") or ""),
        _as(str, source.get("table") or ""),
        before,
        after,
        None if transaction is None else group(transaction["id"]),
        0 if transaction is None else int(transaction["total_order"]),
        _time(source),
        None if lsn is None else _as(int, lsn),
        (source["pos"], source["row"]) if "pos" in source else None,
        "" if snapshot in (None, "false") else _as(str, snapshot),
        {} if schema is None else _semantics(schema),
    )


def group(transaction: str) -> str:
    """A transaction's name without the position, which PostgreSQL's connector appends anew on each event."""
    return transaction.partition(":")[0]


def _marker(payload: dict[str, Any]) -> Begin | End:
    name = payload["id"]
    if payload["status"] == "BEGIN":
        return Begin(group(name))
    if payload["status"] != "END":
        raise Unreadable(f"unknown transaction status {payload['status']!r:.20}")
    lsn = name.partition(":")[2]
    return End(group(name), int(payload["event_count"]), int(lsn) if lsn else None)


def _schema_change(payload: dict[str, Any]) -> SchemaChange:
    source = payload["source"]
    named = [_table(change["id"]) for change in payload.get("tableChanges") or ()]
    return SchemaChange(tuple(named), source.get("snapshot") in _SNAPSHOT)


def _table(text: str) -> tuple[str, str]:
    """Schema and table of `"db"."t"` or `"db"."schema"."t"`, any of which may have dots in it."""
    parts = [quoted.replace('""', '"') if quoted else plain for quoted, plain in _NAME.findall(text)]
    return parts[-2], parts[-1]


def _semantics(schema: dict[str, Any]) -> dict[str, str]:
    """What the schema beside a value says that its fields mean; of an array's elements with [] behind it."""
    for part in schema.get("fields") or ():
        if part.get("field") in ("after", "before") and part.get("fields"):
            told = {f["field"]: f.get("name") or f"{(f.get('items') or {}).get('name') or ''}[]" for f in part["fields"]}
            return {field: name for field, name in told.items() if name != "[]"}
    return {}


def _as(kind: type[T], value: Any) -> T:
    if isinstance(value, kind):
        return value
    raise TypeError


def _time(source: dict[str, Any]) -> datetime:
    micros = source.get("ts_us")
    return _EPOCH + timedelta(microseconds=source["ts_ms"] * 1000 if micros is None else micros)
