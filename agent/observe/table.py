"""Every metric the agent has, in one table: kind, labels, help. The exported name is `coexist_<name>`.

Stages name metrics by these names through the Observer port; a name or label that is not here is a defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


_LATENCY = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


def _counter(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "counter", tuple(labels.split()), text)


def _gauge(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "gauge", tuple(labels.split()), text)


def _seconds(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "histogram", tuple(labels.split()), text, _LATENCY)


METRICS: tuple[Metric, ...] = (
    # capture and intake
    _counter("captured_rows", "source", "Row changes read from the source."),
    _counter("captured_transactions", "source", "Source transactions made durable in the inbox."),
    _counter("reconnects", "source", "Times a source connection was lost and sought again."),
    _gauge("source_up", "source", "1 while a source is connected, else 0."),
    _gauge("position", "source", "Commit position that is durable in the inbox."),
    _gauge("slot_retained_bytes", "source", "Log that the source keeps for our replication slot."),
    _seconds("intake_seconds", "source", "Time of one intake transaction."),
    # mirror, derive, decide
    _counter("merged_rows", "source", "Row changes merged into the mirror."),
    _counter("held_rows", "source stage", "Row changes kept raw because no set survives them."),
    _counter("affected_entities", "mapping", "Entities evaluated because a row they read changed."),
    _counter("changed_entities", "mapping", "Entities whose state changed."),
    _counter("excepted_entities", "mapping", "Entities that need a person."),
    _counter("events", "entity event", "Business events written to the journal."),
    _counter("value_map_gaps", "value_map", "Codes met that a value map does not list."),
    _seconds("derive_seconds", "source", "Time of one derive transaction."),
    _gauge("batch_rows", "source", "Row changes in the last derive batch."),
    # outbox, apply, outcome
    _counter("commands_made", "target object", "Commands made by decide."),
    _counter("calls", "target object action", "Writes whose intent was made durable."),
    _counter("outcomes", "target object kind", "What became of calls."),
    _counter(
        "errors", "target code", "Answers of a target that were errors, by the code of its error table."
    ),
    _counter("requests", "target status", "HTTP requests by status class."),
    _counter("throttled", "target", "Answers that asked us to come back later."),
    _counter("questions", "target answer", "Unknown outcomes that were asked about, by answer."),
    _gauge("in_flight", "target", "Requests on the wire."),
    _seconds("claim_seconds", "target", "Time of one claim transaction."),
    _seconds("request_seconds", "target", "Time from sending a request to its answer."),
    _seconds(
        "commit_to_request_seconds", "target", "Time from the source's commit to the request that carries it."
    ),
    _seconds("commit_to_accepted_seconds", "target", "Time from the source's commit to the target's yes."),
    # from the store, at intervals
    _gauge("lag_seconds", "source", "Age of the oldest source transaction that is not derived yet."),
    _gauge("inbox_rows", "source", "Row changes in the inbox that are not derived yet."),
    _gauge("dirty_entities", "source", "Entities that wait to be evaluated."),
    _gauge("commands", "target state", "Commands by state."),
    _gauge("open_exceptions", "stage", "Open exceptions by stage."),
    _gauge("target_held", "target", "1 while a target is paused or stopped, else 0."),
    _gauge("books_difference", "ledger scope", "Left side minus right side of a ledger; 0 when it balances."),
    # the process
    _counter("loop_errors", "loop disposition", "Errors that a loop met, by what it did next."),
    _gauge("loop_stalled_seconds", "loop", "How long a loop that has work has made no progress."),
    _gauge("build_info", "version config", "Always 1; its labels name what runs."),
)
