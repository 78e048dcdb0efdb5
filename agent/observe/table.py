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
    _gauge("source_up", "source", "1 while a source is connected, else 0."),
    _gauge("leading", "work source", "1 while this replica captures or derives the source, 0 while it stands by."),
    _counter("redelivered_transactions", "topic", "Source transactions that a topic told again, and that were dropped."),
    _counter("captured_rows", "source", "Row changes read from the source."),
    _counter("captured_transactions", "source", "Source transactions made durable in the inbox."),
    _gauge("position", "source", "Commit position that is durable in the inbox."),
    _seconds("intake_seconds", "source", "Time of one intake transaction."),
    # connectors
    _gauge("connector_up", "source", "1 while the source's connector runs and is heard of, else 0."),
    _gauge("connector_task_failed", "source", "Tasks of the source's connector that failed and do not run."),
    _counter("connector_restarts", "source", "Times that failed tasks of the source's connector were started again."),
    # mirror, derive, decide
    _seconds("derive_seconds", "source", "Time of one derive transaction."),
    _gauge("batch_rows", "source", "Row changes in the last derive batch."),
    # outbox, apply, outcome
    _counter("claimed", "target", "Calls whose intent was made durable."),
    _counter("recorded", "target", "Results written down."),
    _counter("asked", "target", "Records that the target was asked about."),
    _counter("calls", "target object kind", "Writes that were answered (or not), by what became of them."),
    _counter("target_calls", "target result", "Writes by result, as the target's protocol classified them."),
    _counter("target_requests", "target outcome", "HTTP requests by status, or failed."),
    _seconds("target_request_seconds", "target", "Time from sending a request to its answer."),
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
)
