"""Where in the topic the newest snapshot of all our tables begins."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Message

from agent.capture.kafka.assemble import RESOLVED
from agent.capture.kafka.consume import TopicReader
from agent.capture.kafka.envelope import Begin, End, Event, Notice, Row, Unreadable, decode
from agent.capture.kafka.rows import RowReader
from agent.capture.kafka.snapshot import ABOUT
from agent.errors import StreamBroken

_NOTICE = f'"{ABOUT}"'.encode()


class SnapshotSearch:
    """`starts` yields None while there is none (yet), then the offset where it begins.

    A snapshot of all our tables is told by the connector's notices. Without those only a topic that begins with a snapshot
    is understood: of one that comes later nobody could say whether it read all tables, and what it did not read would be
    taken for gone.
    """

    def __init__(self, reader: TopicReader, rows: RowReader, after: int | None) -> None:
        self._reader, self._rows, self._after = reader, rows, after
        self._started: int | None = None  # one that has not said yet which tables it reads
        self._found: int | None = None
        self._fresh = after is None  # nothing but heartbeats, notices and schema changes so far
        self._streamed = self._noticed = False
        self._low = 0

    def starts(self, idle: float) -> Iterator[int | None]:
        """Raises StreamBroken where there is none and the stream goes on without, SourceUnavailable."""
        low, _ = self._reader.watermarks()
        self._low = low
        self._reader.seek(max(low, self._after or low))
        while not self._reader.told:
            messages = self._reader.read(idle, to_end=True)
            for message in messages:
                self._look(message)
            if messages:
                continue
            if self._found is not None:
                yield self._found
                return
            if (self._streamed or self._after is not None) and self._started is None:
                raise self._none()
            yield None

    def _look(self, message: Message) -> None:
        value = message.value()
        if value is None or not (self._fresh or _NOTICE in value):
            return
        try:
            event = decode(value)
        except Unreadable:
            return  # the stream will tell of it
        self._judge(message.offset() or 0, event)

    def _judge(self, offset: int, event: Event) -> None:
        if isinstance(event, Notice) and event.about == ABOUT:
            self._noticed = True
            if event.kind == "STARTED":
                self._started = offset
            elif event.kind in RESOLVED:
                # One whose beginning is gone from the topic would be taken for whole.
                if self._started is not None and self._rows.covers(event.tables):
                    self._found = self._started
                self._started = None
        elif self._fresh and isinstance(event, Row | Begin | End):
            self._fresh = False
            if self._found is None and self._started is None:
                if isinstance(event, Row) and self._first(event):
                    self._found = offset
                else:
                    self._streamed = True

    def _first(self, row: Row) -> bool:
        """Without notices: whether a snapshot begins with this, the topic's oldest row."""
        return row.initial and not self._noticed and (self._low == 0 or row.snapshot == "first")

    def _none(self) -> StreamBroken:
        return StreamBroken(
            "the topic goes on without a snapshot of all tables that are mapped", where=self._reader.place,
            remedy="have the connector take one: stop it, delete its offsets (`DELETE …/offsets`), start it; and let it send"
            " notices (`coexist connect plan` shows how)",
        )  # fmt: skip
