"""Topics as a test sees them: read from the beginning until there is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.processes import wait_until


@dataclass(frozen=True)
class Record:
    """One record of a topic; `key` and `value` as JSON, None where there is none. `read_at` is time.monotonic()."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: Any
    read_at: float

    @property
    def payload(self) -> Any:
        """The value without the schema that may be around it."""
        return self.value["payload"] if isinstance(self.value, dict) and "payload" in self.value else self.value


def await_metadata(bootstrap: str, topic: str) -> None:
    """Wait until the broker knows the topic and its leaders: a new one is not there at once."""
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def known() -> bool:
        found = admin.list_topics(timeout=5).topics.get(topic)
        return found is not None and bool(found.partitions) and all(p.leader >= 0 for p in found.partitions.values())

    wait_until(f"topic {topic} is there", known)


class Reader:
    """Reads a topic from its beginning; `records` is all it has read so far."""

    def __init__(self, bootstrap: str, topic: str, *, isolation: str = "read_committed") -> None:
        self.records: list[Record] = []
        self._topic = topic
        # Positions are of our own making: the group is never joined.
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
            "isolation.level": isolation, "auto.offset.reset": "earliest", "log_level": 0,
        })  # fmt: skip
        partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])

    def poll(self, seconds: float = 0.2) -> list[Record]:
        """What has come since; waits up to `seconds` for the first of it. A broker that is away gives nothing."""
        fresh = [_record(message) for message in self._consumer.consume(1000, seconds) if message.error() is None]
        self.records += fresh
        return fresh

    def until(
        self, what: str, enough: Callable[[Sequence[Record]], object], seconds: float = 60.0
    ) -> list[Record]:
        """All records once `enough(all records)`; AssertionError saying `what` was missing."""
        deadline = time.monotonic() + seconds
        while not enough(self.records):
            if time.monotonic() > deadline:
                last = [record.value for record in self.records[-3:]]
                raise AssertionError(
                    f"waited {seconds:g} s in vain until {what}; {self._topic} has {len(self.records)}, last {last}"
                )
            self.poll()
        return self.records

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


@contextmanager
def reading(bootstrap: str, topic: str, *, isolation: str = "read_committed") -> Iterator[Reader]:
    """A Reader for the length of a block."""
    reader = Reader(bootstrap, topic, isolation=isolation)
    try:
        yield reader
    finally:
        reader.close()


def read_topic(
    bootstrap: str, topic: str, enough: int | Callable[[Sequence[Record]], object], *,
    isolation: str = "read_committed", seconds: float = 60.0,
) -> list[Record]:  # fmt: skip
    """The topic's records from its beginning, once there are so many, or once `enough(records)`."""
    condition = enough if callable(enough) else lambda records: len(records) >= enough
    with reading(bootstrap, topic, isolation=isolation) as reader:
        return reader.until("there was enough", condition, seconds)


def topic_names(bootstrap: str) -> set[str]:
    """All topics there are."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return set(admin.list_topics(timeout=30).topics)
    except KafkaException as error:
        raise AssertionError(f"no topics from {bootstrap}: {error}") from error


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, _json(message.key()), _json(message.value()), time.monotonic())


def _json(data: object) -> Any:
    return None if data is None else orjson.loads(data if isinstance(data, bytes) else str(data))
