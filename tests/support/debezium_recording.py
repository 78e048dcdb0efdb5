"""A recording as Kafka would hold it: one ordered topic of Debezium (PostgreSQL) envelopes and transaction markers.

Written by hand from what Debezium 3.6 was seen to send, with `decimal.handling.mode=string`,
`skipped.operations=none`, `provide.transaction.metadata=true`, `schemas.enable=false`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

UNAVAILABLE = "__debezium_unavailable_value"
_MS = 1_704_067_200_000


@dataclass(frozen=True)
class Message:
    """One Kafka record."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Recording:
    """Builds messages one after the other; `open` transactions write their markers."""

    server: str = "legacy"
    messages: list[Message] = field(default_factory=list)
    _lsn: int = 23_000_000
    _count: int = 0
    _txid: int = 0

    def begin(self, txid: int) -> None:
        self._txid, self._count = txid, 0
        self._marker("BEGIN", None)

    def end(self) -> None:
        self._marker("END", self._count)

    def read(self, table: str, after: dict[str, Any], snapshot: str = "true") -> None:
        self._event("r", table, None, after, snapshot)

    def create(self, table: str, after: dict[str, Any]) -> None:
        self._event("c", table, None, after)

    def update(self, table: str, after: dict[str, Any]) -> None:
        self._event("u", table, None, after)

    def delete(self, table: str, key: dict[str, Any], columns: tuple[str, ...]) -> None:
        """Under the default replica identity the rest of `before` is null, and not because it was."""
        self._event("d", table, {c: key.get(c) for c in columns}, None, key=key)
        self.messages.append(Message(orjson.dumps(key), None))

    def change_key(
        self, table: str, old: dict[str, Any], after: dict[str, Any], key: tuple[str, ...]
    ) -> None:
        """Two events and a tombstone, at one LSN."""
        new = {c: after[c] for c in key}
        before = {c: old.get(c) for c in after}
        self._event(
            "d",
            table,
            before,
            None,
            key=old,
            headers=(("__debezium.newkey", orjson.dumps(new)),),
            same_lsn=False,
        )
        self.messages.append(Message(orjson.dumps(old), None))
        self._event(
            "c",
            table,
            None,
            after,
            key=new,
            headers=(("__debezium.oldkey", orjson.dumps(old)),),
            same_lsn=True,
        )

    def truncate(self, table: str) -> None:
        self._event("t", table, None, None)
        self._count -= 1  # seen: truncates are not in the END marker's event_count

    def message(self, prefix: str) -> None:
        """A logical decoding message: not a row."""
        value = {
            "op": "m",
            "ts_ms": _MS,
            "source": self._source("", "false"),
            "message": {"prefix": prefix, "content": ""},
        }
        self.messages.append(Message(orjson.dumps({"prefix": prefix}), orjson.dumps(value)))

    def _event(
        self,
        op: str,
        table: str,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        snapshot: str = "false",
        *,
        key: dict[str, Any] | None = None,
        headers: tuple[tuple[str, bytes], ...] = (),
        same_lsn: bool = False,
    ) -> None:
        self._lsn += 0 if same_lsn else 56
        transaction = None
        if snapshot == "false":
            self._count += 1
            # Seen: the part after the colon differs on every event; only the transaction id before it groups.
            transaction = {
                "id": f"{self._txid}:{self._lsn}",
                "total_order": self._count,
                "data_collection_order": 1,
            }
        value = {
            "before": before, "after": after, "source": self._source(table, snapshot), "transaction": transaction,
            "op": op, "ts_ms": _MS, "ts_us": _MS * 1000, "ts_ns": _MS * 1_000_000,
        }  # fmt: skip
        self.messages.append(
            Message(None if key is None else orjson.dumps(key), orjson.dumps(value), headers)
        )

    def _source(self, table: str, snapshot: str) -> dict[str, Any]:
        return {
            "version": "3.6.3.Final", "connector": "postgresql", "name": self.server, "ts_ms": _MS,
            "snapshot": snapshot, "db": "finance", "sequence": f'[null,"{self._lsn}"]', "schema": "public",
            "table": table, "txId": self._txid, "lsn": self._lsn, "xmin": None,
        }  # fmt: skip

    def _marker(self, status: str, count: int | None) -> None:
        value = {
            "status": status, "id": f"{self._txid}:{self._lsn}", "event_count": count, "data_collections": None,
            "ts_ms": _MS,
        }  # fmt: skip
        self.messages.append(Message(orjson.dumps({"id": str(self._txid)}), orjson.dumps(value)))
