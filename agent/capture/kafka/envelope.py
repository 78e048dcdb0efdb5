"""One Kafka record as what it tells: a row, a transaction's begin or end, a schema change, a notice, or nothing (pure).

Recognised by its shape, for everything of a connector lies in one topic. Debezium's envelopes are read with and without their
schema beside them. Seen with Debezium 3.7 (PostgreSQL) and 3.5 (MariaDB).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

Headers = Mapping[str, str | bytes | None] | list[tuple[str, str | bytes | None]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SNAPSHOT = frozenset({"true", "first", "first_in_data_collection", "last_in_data_collection", "last"})
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

    transaction: its id, None for rows read by a snapshot. order: its number in the transaction, from 1. lsn: PostgreSQL
    only. snapshot: "" or Debezium's mark.
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
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"a field is missing or of another kind ({type(error).__name__} at {error})") from None


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
        return Notice(payload["aggregate_type"], payload["type"], tables)
    if payload.keys() <= {"ts_ms", "ts_us", "ts_ns"}:
        return NOTHING
    raise Unreadable("it is no change event, transaction marker, schema change, notice or heartbeat of Debezium")


def _row(payload: dict[str, Any], schema: dict[str, Any] | None) -> Row:
    op, source = payload["op"], payload["source"]
    if op not in OPS:
        raise Unreadable(f"unknown operation {op!r}")
    transaction = payload.get("transaction")
    snapshot = source.get("snapshot")
    before, after = payload.get("before"), payload.get("after")
    if (after is None) == (op in "cur") or (op == "d" and before is None):
        raise Unreadable(f"operation {op!r} without its row image")
    return Row(
        op,
        source.get("schema") or source.get("db") or "",
        source.get("table") or "",
        before,
        after,
        None if transaction is None else group(transaction["id"]),
        0 if transaction is None else int(transaction["total_order"]),
        _time(source),
        source.get("lsn"),
        "" if snapshot in (None, "false") else snapshot,
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
        raise Unreadable(f"unknown transaction status {payload['status']!r}")
    lsn = name.partition(":")[2]
    return End(group(name), int(payload["event_count"]), int(lsn) if lsn else None)


def _schema_change(payload: dict[str, Any]) -> SchemaChange:
    source = payload["source"]
    named = [change["id"].replace('"', "").rpartition(".") for change in payload.get("tableChanges") or ()]
    tables = [(schema.rpartition(".")[2], table) for schema, _, table in named]
    return SchemaChange(tuple(tables), source.get("snapshot") in _SNAPSHOT)


def _semantics(schema: dict[str, Any]) -> dict[str, str]:
    """What the schema beside a value says that its fields mean."""
    for part in schema.get("fields") or ():
        if part.get("field") in ("after", "before") and part.get("fields"):
            return {f["field"]: f["name"] for f in part["fields"] if f.get("name")}
    return {}


def _time(source: dict[str, Any]) -> datetime:
    micros = source.get("ts_us")
    return _EPOCH + timedelta(microseconds=source["ts_ms"] * 1000 if micros is None else micros)
