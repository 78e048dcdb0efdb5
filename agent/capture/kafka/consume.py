"""One ordered topic, read from a given offset: Kafka's consumer, its failures put in our words.

The store decides who reads and from where; so the topic's one partition is assigned by us and no group balances it. What is
durable is committed to the group all the same, for Kafka's own tools to show how far we are; it is never read back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from agent.capture.kafka.topics import refused_settings
from agent.errors import SourceError, SourceUnavailable, StreamBroken

PARTITION = 0
_READ = 8192  # records at a time
_ATTENTION = 0.2  # seconds after which a blocked read looks whether it is told to stop
_REQUEST = 10.0  # seconds that a question to the brokers may take
_SILENCE = 10.0  # seconds without a record after which we ask whether the topic is still the one that we read
_HANGING = 120.0  # seconds that a transaction in the topic may stay open before a person has to look


class Watermarks(NamedTuple):
    """The offsets of the oldest record that is still there, and of the next that will be written."""

    low: int
    high: int


class TopicReader:
    """Reads committed records only. One thread; `interrupt` may come from another.

    silence: seconds without a record after which the topic is looked at. hanging: seconds that a transaction in it may
    stay open before that is an error.
    """

    def __init__(
        self, topic: str, client: Mapping[str, str], *, silence: float = _SILENCE, hanging: float = _HANGING
    ) -> None:
        self.topic = topic
        self._silence, self._hanging = silence, hanging
        self._open_since: tuple[int, float] | None = None  # where committed records end, and since when there
        self._place = f"topic {topic} at {client.get('bootstrap.servers', '?')}"
        self._down: str | None = None
        self._told = threading.Event()
        self._committed_at = 0.0
        self._known_at = time.monotonic()  # when it was last certain that the topic is there
        settings = {
            **client, "isolation.level": "read_committed", "enable.auto.commit": False, "auto.offset.reset": "error",
            "enable.partition.eof": True, "error_cb": self._heard, "fetch.wait.max.ms": 100, "log_level": 0,
            "queued.max.messages.kbytes": 65_536, "socket.keepalive.enable": True, "reconnect.backoff.max.ms": 2000,
        }  # fmt: skip
        try:
            self._consumer = Consumer(settings)
            # Sees the topic's real end, beyond transactions that are still open.
            self._looker = Consumer({**settings, "isolation.level": "read_uncommitted"})
        except KafkaException as error:
            raise refused_settings(error, self._place) from None

    @property
    def place(self) -> str:
        """Where, for messages."""
        return self._place

    @property
    def told(self) -> bool:
        """Whether the order to stop was given."""
        return self._told.is_set()

    def interrupt(self) -> None:
        """Make a blocked read end soon, and for good."""
        self._told.set()

    def close(self) -> None:
        """Leave the brokers."""
        self._told.set()
        self._consumer.close()
        self._looker.close()

    def watermarks(self) -> Watermarks:
        """Raises SourceUnavailable."""
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self.topic, PARTITION), timeout=_REQUEST)
        except KafkaException as error:
            raise self._translated(error.args[0]) from None
        return Watermarks(low, high)

    def seek(self, offset: int | None) -> None:
        """Read on from `offset`; None: from the oldest record."""
        self._down = None
        at = OFFSET_BEGINNING if offset is None else offset
        self._consumer.assign([TopicPartition(self.topic, PARTITION, at)])

    def read(self, seconds: float, most: int = _READ, *, to_end: bool = False) -> list[Message]:
        """What has arrived, at most `most` records; waits up to `seconds` for the first. to_end: not longer than it takes
        to know that there is no more now.

        Raises StreamBroken, SourceUnavailable.
        """
        until = time.monotonic() + seconds
        while not self._told.is_set():
            first = self._consumer.poll(min(_ATTENTION, max(0.0, until - time.monotonic())))
            if first is not None:
                found = self._records([first, *self._consumer.consume(most - 1, 0)])
                self._down = None
                if found:
                    self._known_at = time.monotonic()
                if found or to_end:
                    return found
            if self._down is not None:
                raise SourceUnavailable(self._down, where=self._place, remedy="check that the brokers run; it is tried again")
            if time.monotonic() - self._known_at > self._silence:
                self._confirm()
            if time.monotonic() >= until:
                break
        return []

    def commit(self, offset: int) -> None:
        """Tell the group how far we are, now and then; nothing depends on it."""
        if time.monotonic() - self._committed_at > 1.0:
            self._committed_at = time.monotonic()
            try:
                self._consumer.commit(offsets=[TopicPartition(self.topic, PARTITION, offset)], asynchronous=True)
            except KafkaException:
                return

    def _confirm(self) -> None:
        # The client goes on asking for records of a topic that was deleted, and takes one of the same name for the same.
        (next_one,) = self._consumer.position([TopicPartition(self.topic, PARTITION)])
        end = self.watermarks().high
        if end < next_one.offset:
            raise made_anew(self._place, end, next_one.offset)
        self._refuse_hanging(end)
        self._known_at = time.monotonic()

    def _refuse_hanging(self, end: int) -> None:
        """A transaction whose coordinator has forgotten it stays open for ever, and nobody sees what comes behind it."""
        try:
            _, beyond = self._looker.get_watermark_offsets(TopicPartition(self.topic, PARTITION), timeout=_REQUEST)
        except KafkaException as error:
            raise self._translated(error.args[0]) from None
        if beyond <= end:
            self._open_since = None
        elif self._open_since is None or self._open_since[0] != end:
            self._open_since = (end, time.monotonic())
        elif time.monotonic() - self._open_since[1] > self._hanging:
            raise StreamBroken(
                f"a transaction that begins at {end} neither ends nor is aborted: what is behind it cannot be seen",
                where=self._place,
                remedy="if nobody writes it any more: `kafka-transactions.sh … abort`, here and for Connect's offsets topic",
            )

    def _records(self, messages: list[Message]) -> list[Message]:
        """Without the word that this is the end for now."""
        found = []
        for message in messages:
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise self._translated(error)
        return found

    def _heard(self, error: KafkaError) -> None:
        # Called from within poll. One broker of several may be down without anybody having to know.
        if error.fatal() or error.code() in (
            KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError._UNKNOWN_BROKER,
        ):  # fmt: skip
            self._down = f"no broker answers: {error.str()}"

    def _translated(self, error: KafkaError) -> SourceError:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            return gone(self._place)
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            return SourceUnavailable(
                "the topic does not exist", where=self._place,
                remedy="`coexist connect apply` makes it; where connectors are not ours, ask who runs them",
            )  # fmt: skip
        return SourceUnavailable(error.str(), where=self._place, remedy="it is tried again")


def gone(place: str) -> StreamBroken:
    """The records that we need next are not in the topic any more."""
    return StreamBroken(
        "records that were not read yet are gone from the topic: it was kept for a shorter time than we were away",
        where=place,
        remedy="raise retention.ms of the topic; then `coexist source resnapshot`, and have the connector take a snapshot too",
    )


def made_anew(place: str, end: int, read: int) -> StreamBroken:
    """The topic ends before what was read of it."""
    return StreamBroken(
        f"the topic ends at {end}, before what the store has read ({read})", where=place,
        remedy="it was made anew or restored: `coexist source resnapshot`, and have the connector take a snapshot",
    )  # fmt: skip
