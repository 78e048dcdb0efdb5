"""What the schema beside a value says that it means: then any `time.precision.mode` can be read (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.capture.kafka.temporal import date_text, time_text, timestamp_text
from agent.errors import SourceError

Convert = Callable[[Any], str]


def _of_milliseconds(value: Any) -> str:
    return timestamp_text(value * 1000)


def _of_nanoseconds(value: Any) -> str:
    return timestamp_text(value // 1000)


def _time_of_milliseconds(value: Any) -> str:
    return time_text(value * 1000)


def _time_of_nanoseconds(value: Any) -> str:
    return time_text(value // 1000)


_MEANINGS: dict[str, Convert] = {
    "io.debezium.time.Date": date_text,
    "org.apache.kafka.connect.data.Date": date_text,
    "io.debezium.time.Timestamp": _of_milliseconds,
    "org.apache.kafka.connect.data.Timestamp": _of_milliseconds,
    "io.debezium.time.MicroTimestamp": timestamp_text,
    "io.debezium.time.NanoTimestamp": _of_nanoseconds,
    "io.debezium.time.Time": _time_of_milliseconds,
    "org.apache.kafka.connect.data.Time": _time_of_milliseconds,
    "io.debezium.time.MicroTime": time_text,
    "io.debezium.time.NanoTime": _time_of_nanoseconds,
}
_LOST = {
    "org.apache.kafka.connect.data.Decimal": "decimal.handling.mode=string",
    "io.debezium.data.VariableScaleDecimal": "decimal.handling.mode=string",
    "io.debezium.time.MicroDuration": "interval.handling.mode=string",
}


def meant(name: str | None) -> Convert | None:
    """How a value of this semantic type becomes a text; None: as its column's type says. Raises SourceError for what loses
    something on the way.
    """
    if name is None:
        return None
    if name in _LOST:
        raise SourceError(
            f"the connector sends values as {name}",
            remedy=f"set {_LOST[name]} in the connector, as `coexist connect plan` does",
        )
    return _MEANINGS.get(name)
