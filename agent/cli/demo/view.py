"""What the demo reads from the agent's store and from the legacy database while both are at work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from agent.store.queries import queries

_SQL = queries("agent.cli.demo", "demo")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the line is. oldest: age of the oldest change that is not at the ERP; silent: of the last capture."""

    captured: int = 0
    events: int = 0
    calls: int = 0
    waiting: int = 0
    in_flight: int = 0
    unknown: int = 0
    held: int = 0
    outcomes: int = 0
    exceptions: int = 0
    dirty: int = 0
    position: int | None = None
    underived: int = 1
    ready: bool = False
    oldest: float = 0.0
    silent: float = 0.0

    @property
    def queue(self) -> int:
        """Commands on their way."""
        return self.waiting + self.in_flight

    def lag(self, source: int) -> float:
        """Seconds that the ERP is behind a source whose log ends at `source`."""
        behind = self.position is not None and source > self.position + 1
        return max(self.oldest, self.silent if behind else 0.0)

    def through(self, lsn: int) -> bool:
        """Everything committed before `lsn` is captured and derived, and no answer is outstanding."""
        derived = (
            self.position is not None and self.position > lsn and self.underived == 0 and self.dirty == 0
        )
        return self.ready and derived and self.in_flight == 0 and self.unknown == 0


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the story is judged by, counted in the store. agents: processes that sent something."""

    agents: int
    captured: int
    unknown: int
    resolved: int


@dataclass(frozen=True, slots=True)
class Told:
    """The record whose story is told."""

    object: str
    entity_id: UUID
    command_id: int
    event_id: int


class View:
    """Two connections that only look."""

    def __init__(self, store_dsn: str, source_dsn: str) -> None:
        self.store = psycopg.connect(store_dsn, autocommit=True, application_name="coexist demo")
        self.source = psycopg.connect(source_dsn, autocommit=True, application_name="coexist demo")

    def close(self) -> None:
        """Let go of both."""
        self.store.close()
        self.source.close()

    def standing(self) -> Standing:
        """How far the line is now."""
        return Standing(**self._row("standing"))

    def numbers(self) -> Numbers:
        """Agents, captured changes, unknown outcomes."""
        return Numbers(**self._row("numbers"))

    def in_flight(self) -> dict[str, int]:
        """Calls on their way, by object."""
        return {str(name): int(n) for name, n in self.store.execute(_SQL["in_flight"]).fetchall()}

    def told(self) -> Told | None:
        """The record to tell about."""
        with self.store.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_SQL["told"]).fetchone()
        return Told(**row) if row else None

    def left_alone(self) -> list[int]:
        """Exceptions about writes that a process which is gone may have sent."""
        return [int(row[0]) for row in self.store.execute(_SQL["left_alone"]).fetchall()]

    def source_lsn(self) -> int:
        """The end of the legacy database's log."""
        row = self.source.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        return int(row[0]) if row else 0

    def mark(self) -> int:
        """A last change, of nothing, after a position that is returned: when it has arrived, so has all before it."""
        lsn = self.source_lsn()
        self.source.execute(
            "UPDATE fin.arcust SET cust_no = cust_no WHERE cust_no = (SELECT min(cust_no) FROM fin.arcust)"
        )
        return lsn

    def _row(self, name: str) -> dict[str, Any]:
        with self.store.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[name]).fetchone() or {}
