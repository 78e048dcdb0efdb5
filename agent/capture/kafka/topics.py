"""What a topic must be so that nothing is lost in it: asked of the brokers, judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from agent.errors import SourceError, SourceUnavailable

_REQUEST = 10.0  # seconds that a question to the brokers may take


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it stands. retention_ms: -1 without end; None where we may not ask."""

    id: str
    partitions: int
    cleanup: str
    retention_ms: int | None


def describe(topic: str, client: Mapping[str, str]) -> TopicState:
    """Raises SourceUnavailable: no broker answers, or there is no such topic (yet)."""
    place = f"topic {topic} at {client.get('bootstrap.servers', '?')}"
    own: dict[str, Any] = {k: v for k, v in client.items() if not k.startswith(("group.", "session.", "isolation."))}
    heard: list[str] = []
    try:
        admin = AdminClient(own | {"log_level": 0, "error_cb": lambda error: heard.append(error.str())})
    except KafkaException as error:
        raise refused_settings(error, place) from None
    try:
        found = admin.describe_topics(TopicCollection([topic]), request_timeout=_REQUEST)[topic].result(_REQUEST + 5)
        settings = _settings(admin, topic)
    except (KafkaException, TimeoutError) as error:
        raise _translated(error, place, heard) from None
    return TopicState(
        str(found.topic_id), len(found.partitions), settings.get("cleanup.policy", "delete"),
        int(settings["retention.ms"]) if "retention.ms" in settings else None,
    )  # fmt: skip


def _settings(admin: AdminClient, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=_REQUEST)[resource].result(_REQUEST + 5)
    except KafkaException:
        return {}  # to read the stream takes fewer rights than to ask for this
    return {name: str(entry.value) for name, entry in entries.items()}


def refuse_unsafe(topic: str, state: TopicState) -> None:
    """Raise SourceError for a topic in which order or records get lost."""
    where = f"topic {topic}"
    if state.partitions != 1:
        raise SourceError(
            f"the topic has {state.partitions} partitions, so its order is lost", where=where,
            remedy="one ordered topic per connector, with one partition: make it anew and have the connector take a snapshot",
        )  # fmt: skip
    if "compact" in state.cleanup:
        raise SourceError(
            f"the topic is compacted (cleanup.policy={state.cleanup}): steps in between and transaction markers vanish",
            where=where, remedy="set cleanup.policy=delete; if compaction ran already, `coexist source resnapshot`",
        )  # fmt: skip


def refused_settings(error: KafkaException, place: str) -> SourceError:
    """Kafka's client cannot be made of what it was told."""
    return SourceError(
        f"Kafka's client refuses its settings: {error.args[0].str()}", where=place,
        remedy="correct the block `kafka` of the source",
    )  # fmt: skip


def _translated(error: Exception, place: str, heard: list[str]) -> SourceUnavailable:
    said = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
    why = f" ({heard[0]})" if heard else ""
    return SourceUnavailable(
        f"the topic cannot be had: {said}{why}", where=place,
        remedy="check the brokers' address, and user and password where they ask for them; `coexist connect apply` makes the"
        " connector, which makes the topic",
    )  # fmt: skip
