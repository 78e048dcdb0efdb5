"""What a capture of PostgreSQL needs to know: values only, so that they can be handed to another process."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.capture.postgres.capture import PostgresCapture
from agent.ports import Observer


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """One source's; the names are those of PostgresCapture."""

    dsn: str = field(repr=False)
    publication: str
    slot: str
    tables: tuple[tuple[str, str], ...]
    create: bool
    max_slice_rows: int
    snapshot_rows_per_second: int | None

    def open(self, observer: Observer | None) -> PostgresCapture:
        """A capture of its own; nothing is connected yet."""
        return PostgresCapture(
            self.dsn, publication=self.publication, slot=self.slot, tables=self.tables, create=self.create,
            max_slice_rows=self.max_slice_rows, snapshot_rows_per_second=self.snapshot_rows_per_second, observer=observer,
        )  # fmt: skip
