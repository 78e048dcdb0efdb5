"""Debezium's records as bytes, written by hand, and a topic that is played from a list: for tests of reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from confluent_kafka import Message

from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.rows import RowReader
from agent.capture.kafka.shapes import Shapes, Table
from agent.capture.kafka.stream import Stream
from agent.model.changes import CaptureBatch, Column, Relation, ResumePoint

MS = 1_704_067_200_000
CUSTOMER, LINE = ("public", "customer"), ("public", "line")
RELATIONS = {
    CUSTOMER: Relation(1, *CUSTOMER, (Column("id", "integer", key=True), Column("name", "text", key=False))),
    LINE: Relation(
        2, *LINE,
        (Column("inv", "integer", key=True), Column("no", "integer", key=True), Column("text", "text", key=False)),
    ),
}  # fmt: skip


class Record:
    """One record's parts; its offset is its place in the list, unless one is given."""

    def __init__(
        self, value: Any, headers: Sequence[tuple[str, bytes]] = (), *, raw: bytes | None = None, offset: int | None = None
    ) -> None:
        self.value = raw if raw is not None else None if value is None else orjson.dumps(value)
        self.headers = list(headers)
        self.offset = offset

    def message(self, offset: int, topic: str = "t") -> Message:
        """As the consumer hands it over."""
        at = offset if self.offset is None else self.offset
        return Message(topic=topic, partition=0, offset=at, value=self.value, headers=self.headers or None)


def begin(transaction: str) -> Record:
    """A transaction begins."""
    return Record({"status": "BEGIN", "id": transaction, "event_count": None, "ts_ms": MS})


def end(transaction: str, events: int) -> Record:
    """A transaction ends."""
    return Record({"status": "END", "id": transaction, "event_count": events, "ts_ms": MS})


def row(
    op: str, table: Table, before: Any, after: Any, *, transaction: str | None = None, order: int = 0, snapshot: str = "false",
    lsn: int | None = None, place: tuple[int, int] | None = None, header: str | None = None,
) -> Record:  # fmt: skip
    """A change of a row."""
    source: dict[str, Any] = {"schema": table[0], "table": table[1], "snapshot": snapshot, "ts_ms": MS, "lsn": lsn}
    if place is not None:
        source |= {"pos": place[0], "row": place[1]}
    told = None if transaction is None else {"id": transaction, "total_order": order, "data_collection_order": 1}
    value = {"before": before, "after": after, "source": source, "transaction": told, "op": op, "ts_ms": MS}
    return Record(value, [(header, b"{}")] if header else [])


def notice(kind: str, tables: Sequence[Table] = (), about: str = "Initial Snapshot") -> Record:
    """The connector says how a snapshot goes."""
    more = {"data_collections": ",".join(".".join(t) for t in tables)} if tables else {}
    return Record({"id": "n", "aggregate_type": about, "type": kind, "additional_data": more, "timestamp": MS})


def schema_change(*tables: Table, snapshot: bool = False) -> Record:
    """A DDL statement of MariaDB."""
    changes = [{"type": "ALTER", "id": f'"{schema}"."{table}"'} for schema, table in tables]
    source = {"snapshot": "true" if snapshot else None}
    return Record({"source": source, "ddl": "ALTER …", "tableChanges": changes, "ts_ms": MS})


HEARTBEAT = Record({"ts_ms": MS})
TOMBSTONE = Record(None)


@dataclass
class PlayedTopic:
    """Stands for the consumer: gives what is in the list, from an offset on, so many at a time; then tells to stop."""

    records: Sequence[Record]
    chunk: int = 8192
    topic: str = "t"
    place: str = "topic t"
    told: bool = False
    _next: int = 0
    _messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._messages = [record.message(offset, self.topic) for offset, record in enumerate(self.records)]

    def seek(self, offset: int | None) -> None:
        """Read on from there."""
        self._next = sum((m.offset() or 0) < (offset or 0) for m in self._messages)

    def watermarks(self) -> tuple[int, int]:
        """Of the list."""
        return (self._messages[0].offset() or 0, (self._messages[-1].offset() or 0) + 1) if self._messages else (0, 0)

    def read(self, seconds: float, most: int = 8192, *, to_end: bool = False) -> list[Message]:
        """The next ones."""
        found = self._messages[self._next : self._next + min(most, self.chunk)]
        self._next += len(found)
        self.told = not found and not to_end
        return found


def row_reader(relations: dict[Table, Relation] | None = None, *, complete: bool = False) -> RowReader:
    """Reads rows of tables whose shapes never change (RELATIONS)."""
    known = RELATIONS if relations is None else relations
    return RowReader(Shapes(known, known.get), known, lambda table: complete)


def play(
    records: Sequence[Record], resume: ResumePoint, *, max_rows: int = 1000, chunk: int = 8192, ddl_commits: bool = False,
    reader: RowReader | None = None, idle: float = 600.0, ask_types_every: float = 600.0,
) -> list[CaptureBatch]:  # fmt: skip
    """The batches that a stream makes of these records from where it resumes, until they are all read."""
    topic = PlayedTopic(records, chunk)
    topic.seek(resume.position or 0)
    stream = Stream(
        cast(TopicReader, topic), resume, reader or row_reader(complete=ddl_commits), ddl_commits=ddl_commits,
        max_rows=max_rows, idle=idle, on_told_again=lambda times: None, ask_types_every=ask_types_every,
    )  # fmt: skip
    return list(stream.batches())
