"""What a capture through Kafka needs to know: values only, so that they can be handed to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.ports import Observer

if TYPE_CHECKING:
    from agent.capture.kafka.capture import KafkaCapture


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """One source's. client: properties of Kafka's consumer, the way to the brokers and who we are among them.

    database: postgres or mariadb, whose catalogue `dsn` leads to.
    """

    database: str
    dsn: str = field(repr=False)
    client: dict[str, str] = field(repr=False)
    topic: str
    tables: tuple[tuple[str, str], ...]
    max_slice_rows: int

    def open(self, observer: Observer | None) -> KafkaCapture:
        """A capture of its own; nothing is connected yet."""
        from agent.capture.kafka.capture import KafkaCapture

        return KafkaCapture(self, observer=observer)
