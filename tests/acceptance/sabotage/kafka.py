"""Guards of a line through Kafka and of replicas, each removed by one function. Nothing here is ever shipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import OFFSET_END, TopicPartition

from agent.capture.kafka.capture import KafkaCapture
from agent.capture.kafka.consume import PARTITION
from agent.daemon import capture_loop
from agent.inbox.intake import Intake
from agent.model.changes import CaptureBatch, ResumePoint
from agent.store.leases import Lease
from tests.acceptance.sabotage import instead


def topic_read_from_its_end() -> None:
    """Nobody asks the store where the topic was left: a reader begins with what comes next."""
    stream = KafkaCapture.stream

    def at_the_end(self: KafkaCapture, resume: ResumePoint) -> Iterator[CaptureBatch]:
        reader = self._open()
        consumer = reader._consumer
        instead(reader, "seek", lambda _: consumer.assign([TopicPartition(reader.topic, PARTITION, OFFSET_END)]))
        yield from stream(self, resume)

    instead(KafkaCapture, "stream", at_the_end)


def several_read_at_a_time() -> None:
    """No lease, and intake does not compare where the stream stands with where this reader believes it does."""

    def at_once(*_: Any) -> bool:
        return True

    def lock_only(self: Intake) -> None:
        self._conn.execute("SELECT 1 FROM coexist.stream WHERE stream_id = %s FOR UPDATE", (self.stream_id,))

    instead(capture_loop, "stand_by", at_once)
    instead(Lease, "check", lambda _: None)
    instead(Intake, "_lock", lock_only)


GUARDS: dict[str, Callable[[], None]] = {f.__name__: f for f in (topic_read_from_its_end, several_read_at_a_time)}
