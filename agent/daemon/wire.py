"""What the agent and its capture processes tell each other: one order down, reports up, a line of JSON each.

The order comes first and holds the DSNs: it travels through a pipe, for arguments and environment can be read by others.
After it the pipe stays open: `stop` asks for an orderly end, and its closing means that the agent is gone.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

import psycopg

from agent import errors
from agent.capture.configured import KINDS, Settings, kind_of
from agent.errors import CoexistError, Disposition, StoreUnavailable

STOP = b"stop\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What to capture, and into which store. agent: the process id that this one is a part of. lease_seconds: after which
    another replica may take over from this one."""

    source: str
    store_dsn: str = field(repr=False)
    settings: Settings
    agent: int
    lease_seconds: float = 30.0

    def line(self) -> bytes:
        """As it travels."""
        return json.dumps({"kind": kind_of(self.settings), **asdict(self)}).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Order:
        """From a line. Raises ValueError, KeyError, TypeError when it is none."""
        values = json.loads(line)
        kind, settings = values.pop("kind"), values.pop("settings")
        settings["tables"] = tuple((schema, table) for schema, table in settings["tables"])
        return cls(settings=KINDS[kind](**settings), **values)


class UnexpectedInCapture(Exception):
    """A defect in the capture process; its traceback is a note."""


class CaptureEnded(CoexistError):
    """The capture process ended without saying why; the agent starts another."""

    disposition = Disposition.RETRY


class Reports:
    """The child's side: implements agent.ports.Observer, and the loop's sign of life. Any thread may report."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """See the port."""
        self._tell("count", name, value, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """See the port."""
        self._tell("gauge", name, value, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """See the port."""
        self._tell("observe", name, value, labels)

    def event(self, level: str, message: str, **fields: object) -> None:
        """See the port."""
        self._tell("event", level, message, fields)

    def idle(self) -> None:
        """Alive, and nothing is overdue."""
        self._tell("idle")

    def rows(self) -> None:
        """Something new is durable in the inbox."""
        self._tell("rows")

    def failed(self, error: BaseException, trace: str) -> None:
        """The last word: why this process ends."""
        if isinstance(error, CoexistError):
            self._tell("failed", type(error).__name__, error.what, error.where, error.remedy)
        elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            self._tell("failed", StoreUnavailable.__name__, f"store connection lost ({type(error).__name__})", "", "")
        else:
            self._tell("unexpected", f"{type(error).__name__}: {error}", trace)

    def _tell(self, *report: object) -> None:
        line = json.dumps(report, default=str).encode() + b"\n"
        with self._lock:
            self._pipe.write(line)
            self._pipe.flush()


def failure(report: list[Any]) -> Exception | None:
    """The error that a report tells of; None when it tells of something else."""
    if report[0] == "unexpected":
        unexpected = UnexpectedInCapture(report[1])
        unexpected.add_note(report[2])
        return unexpected
    if report[0] != "failed":
        return None
    kind = getattr(errors, report[1], CoexistError)
    error: CoexistError = kind(report[2], where=report[3], remedy=report[4])
    return error
