"""The Observer port on prometheus_client, from the table of metrics."""

from __future__ import annotations

from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from agent.observe.table import METRICS, Metric

PREFIX = "coexist_"


class UnknownMetric(Exception):
    """A stage named a metric, kind or label that is not in the table: a defect."""


class PrometheusObserver:
    """Counts, measures and logs. strict (tests): a name that is not in the table raises; else it is logged."""

    def __init__(self, *, strict: bool = False, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._strict = strict
        self._log = structlog.get_logger("coexist")
        self._complained: set[str] = set()
        self._metrics: dict[str, tuple[Metric, Any]] = {m.name: (m, self._make(m)) for m in METRICS}
        self._children: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter."""
        child = self._child(name, "counter", labels)
        if child is not None:
            child.inc(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        child = self._child(name, "gauge", labels)
        if child is not None:
            child.set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram."""
        child = self._child(name, "histogram", labels)
        if child is not None:
            child.observe(value)

    def event(self, level: str, message: str, **fields: object) -> None:
        """One structured log line."""
        getattr(self._log, level, self._log.info)(message, **fields)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _make(self, metric: Metric) -> Any:
        name = PREFIX + metric.name
        if metric.kind == "counter":
            return Counter(name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(name, metric.help, metric.labels, registry=self.registry)
        return Histogram(name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets)

    def _child(self, name: str, kind: str, labels: dict[str, str]) -> Any:
        key = (name, tuple(labels.items()))
        child = self._children.get(key)
        if child is None:
            child = self._find(name, kind, labels)
            if child is not None:
                self._children[key] = child
        return child

    def _find(self, name: str, kind: str, labels: dict[str, str]) -> Any:
        metric, family = self._metrics.get(name) or (None, None)
        if metric is None or family is None or metric.kind != kind or set(metric.labels) != set(labels):
            self._complain(f"no {kind} {name!r} with labels {sorted(labels)} in agent.observe.table")
            return None
        return family.labels(**labels) if labels else family

    def _complain(self, what: str) -> None:
        if self._strict:
            raise UnknownMetric(what)
        if what not in self._complained:
            self._complained.add(what)
            self._log.warning("metric is not in the table", what=what)
