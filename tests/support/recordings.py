"""Recordings of real connectors (tests/tools/record_envelopes.py), played to the capture's own reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson

from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.envelope import decode
from agent.capture.kafka.find import SnapshotSearch
from agent.capture.kafka.rows import RowReader
from agent.capture.kafka.shapes import Shapes, Table
from agent.capture.kafka.snapshot import SnapshotRows
from agent.capture.kafka.stream import Stream
from agent.model.changes import (
    UNCHANGED,
    CaptureBatch,
    Column,
    ForeignKey,
    Relation,
    ResumePoint,
    RowChange,
    Value,
)
from agent.model.ids import CommitPos
from tests.support.debezium import PlayedTopic, Record

RECORDINGS = Path(__file__).parents[1] / "recordings"
Contents = dict[str, dict[tuple[Value, ...], dict[str, Value]]]


@dataclass
class Recording:
    """records: the topic. catalogue: what the database said of its tables from an offset on. rows: what it held in the end."""

    about: dict[str, Any]
    records: list[Record] = field(default_factory=list)
    catalogue: list[tuple[int, dict[Table, tuple[Relation, bool]]]] = field(default_factory=list)
    rows: dict[str, list[dict[str, str | None]]] = field(default_factory=dict)
    place: int = 0  # offset that is being read

    @property
    def mariadb(self) -> bool:
        return "mariadb" in self.about["versions"]

    @property
    def tables(self) -> list[Table]:
        return [(self.about["schema"], table) for table in self.about["captured"]]

    def described(self, table: Table) -> tuple[Relation, bool] | None:
        """By the catalogue as it was when the record being read was written: it may be ahead, as it may be in life."""
        at = [tables for offset, tables in self.catalogue if offset <= self.place]
        return at[-1].get(table)

    def reader(self, tables: list[Table] | None = None) -> RowReader:
        """Reads the captured tables."""
        wanted = self.tables if tables is None else tables

        def describe(table: Table) -> Relation | None:
            found = self.described(table)
            return None if found is None else found[0]

        def complete(table: Table) -> bool:
            found = self.described(table)
            return found is not None and found[1]

        return RowReader(Shapes(wanted, describe), wanted, complete)

    def snapshot(self, after: int | None = None, slice_rows: int = 1000) -> list[CaptureBatch]:
        """The newest snapshot of all captured tables."""
        topic = self._topic()
        reader = self.reader()
        start = next(s for s in SnapshotSearch(cast(TopicReader, topic), reader, after).starts(1.0) if s is not None)
        found = SnapshotRows(start, reader)
        batches = []
        topic.seek(start)
        while not found.complete:
            for message in topic.read(1.0, 1):
                self.place = message.offset() or 0
                found.feed(self.place, decode(message.value()))
                if found.complete or found.waiting >= slice_rows:
                    batches.append(found.take())
        return batches

    def stream(self, resume: ResumePoint, max_rows: int = 1000) -> Iterator[CaptureBatch]:
        """From where it resumes to the end."""
        topic = self._topic()
        topic.seek(resume.position)
        return Stream(
            cast(TopicReader, topic), resume, self.reader(), ddl_commits=self.mariadb, max_rows=max_rows, idle=600.0,
            on_told_again=lambda times: None,
        ).batches()  # fmt: skip

    def _topic(self) -> _Watched:
        return _Watched(self.records, recording=self)


@dataclass
class _Watched(PlayedTopic):
    """Tells the recording which record is read."""

    recording: Any = None
    chunk: int = 1

    def read(self, seconds: float, most: int = 8192, *, to_end: bool = False) -> list[Any]:
        """One at a time."""
        found = super().read(seconds, most, to_end=to_end)
        if found:
            self.recording.place = found[0].offset() or 0
        return found


def load(name: str) -> Recording:
    """One of tests/recordings."""
    with (RECORDINGS / f"{name}.jsonl").open() as lines:
        recording = Recording(orjson.loads(next(lines))["about"])
        following = 0
        for line in map(orjson.loads, lines):
            if "tables" in line:
                recording.catalogue.append((following, dict(map(_table, line["tables"]))))
            elif "rows" in line:
                recording.rows[line["rows"]] = [dict(zip(line["columns"], r, strict=True)) for r in line["values"]]
            else:
                value = None if line["value"] is None else line["value"].encode()
                headers = [(name, data.encode()) for name, data in line["headers"]]
                recording.records.append(Record(None, headers, raw=value, offset=line["offset"]))
                following = line["offset"] + 1
    return recording


def _table(stored: dict[str, Any]) -> tuple[Table, tuple[Relation, bool]]:
    columns = tuple(Column(**c) for c in stored["columns"])
    keys = tuple(ForeignKey.read(k) for k in stored["foreign_keys"])
    relation = Relation(stored["ref"], stored["schema"], stored["table"], columns, keys)
    return (relation.schema, relation.table), (relation, stored["complete"])


@dataclass
class Mirror:
    """The least that a reader of changes must do: the newest row of every key, by column name."""

    contents: Contents = field(default_factory=dict)
    relations: dict[int, Relation] = field(default_factory=dict)
    transactions: list[list[RowChange]] = field(default_factory=list)
    position: int = 0
    cursor: str | None = None
    captured: int = 0
    _open: list[RowChange] = field(default_factory=list)

    def take(self, batches: Iterator[CaptureBatch] | list[CaptureBatch]) -> None:
        """Carry them out."""
        for batch in batches:
            self.relations |= {r.ref: r for r in batch.relations}
            for piece in batch.slices:
                self._open += piece.changes
                for change in piece.changes:
                    self._apply(change)
                if piece.complete:
                    self.transactions.append(self._open)
                    self._open = []
            self.position, self.cursor = batch.end_pos, batch.cursor
            self.captured += batch.captured

    def resume(self) -> ResumePoint:
        """After all that was taken."""
        return ResumePoint(CommitPos(self.position), cursor=self.cursor)

    def _apply(self, change: RowChange) -> None:
        relation = self.relations[change.ref]
        rows = self.contents.setdefault(relation.table, {})
        key = relation.key_indexes
        if change.op == "t":
            rows.clear()
            return
        old = None if change.old is None else rows.pop(tuple(change.old[i] for i in key), None)
        if change.new is None:
            return
        at = tuple(change.new[i] for i in key)
        old = old or rows.get(at) or {}
        values = zip((c.name for c in relation.columns), change.new, strict=True)
        rows[at] = {name: old[name] if value is UNCHANGED else value for name, value in values}
