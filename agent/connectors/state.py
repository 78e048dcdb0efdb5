"""What Kafka Connect says of a connector, as frozen data (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUNNING, FAILED, PAUSED, STOPPED, UNASSIGNED = "RUNNING", "FAILED", "PAUSED", "STOPPED", "UNASSIGNED"


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task. trace: the head of what it failed with, "" when it did not."""

    id: int
    state: str
    worker: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """One connector and its tasks as the worker remembers them: RUNNING may be old news, so progress decides."""

    name: str
    state: str
    worker: str
    tasks: tuple[TaskState, ...] = ()
    trace: str = ""

    @property
    def failed(self) -> tuple[int, ...]:
        """Ids of the tasks that failed."""
        return tuple(task.id for task in self.tasks if task.state == FAILED)

    @property
    def running(self) -> bool:
        """Whether the connector and a task of it are said to run, and none is not."""
        return self.state == RUNNING and bool(self.tasks) and all(task.state == RUNNING for task in self.tasks)

    @property
    def held(self) -> bool:
        """Whether somebody paused or stopped it on purpose."""
        return self.state in (PAUSED, STOPPED)

    @property
    def why(self) -> str:
        """What it failed with, in one line; "" when nothing did."""
        traces = [self.trace, *(task.trace for task in self.tasks)]
        return next((trace for trace in traces if trace), "")


@dataclass(frozen=True, slots=True)
class FieldError:
    """A property that the worker refuses, and its own words about it."""

    property: str
    said: str


def read_state(answer: Mapping[str, Any]) -> ConnectorState:
    """From the worker's JSON. Raises KeyError, TypeError where that is not a status."""
    own = answer["connector"]
    tasks = tuple(
        TaskState(int(task["id"]), str(task["state"]), str(task.get("worker_id", "")), trace_head(task.get("trace")))
        for task in answer["tasks"]
    )
    return ConnectorState(
        str(answer["name"]), str(own["state"]), str(own.get("worker_id", "")), tasks, trace_head(own.get("trace"))
    )


def read_errors(answer: Mapping[str, Any]) -> list[FieldError]:
    """What a validation found wrong, without the values: Connect has put secrets into them."""
    found = []
    for config in answer["configs"]:
        value = config["value"]
        found += [FieldError(str(value["name"]), str(error)) for error in value["errors"] or ()]
    return found


def trace_head(trace: str | None) -> str:
    """A Java stack trace in one line: what was thrown, and the cause at the bottom of it."""
    if not trace:
        return ""
    lines = [line.strip() for line in trace.splitlines()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    head = _said(lines[0])
    return head if not causes or _said(causes[-1]) in head else f"{head}: {_said(causes[-1])}"


def _said(line: str) -> str:
    """`a.b.SomeException: text` as text, or as SomeException where it has none."""
    thrown, colon, text = line.partition(": ")
    if " " in thrown or "." not in thrown:
        return line
    return text if colon and text else thrown.rpartition(".")[2]
