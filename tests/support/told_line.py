"""The line behind a source that is told of by hand: whoever drives it says which row changes a capture would have seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from agent.inbox.intake import Intake
from agent.mirror.tables import mirror_schema
from agent.model.changes import CaptureBatch, Relation, RowChange, SourceIdentity, TransactionSlice
from agent.model.ids import CommitPos
from tests.support.line_oracle import Line, Tuning
from tests.support.mapping_strategies import RandomMapping

Row = tuple[str | None, ...]
_AT = datetime(2026, 1, 5, tzinfo=UTC)


class ToldLine(Line):
    """Intake, mirror and derive of the agent; instead of a capture, `tell`."""

    def __init__(self, source: str, source_dsn: str, store_dsn: str, tuning: Tuning) -> None:
        super().__init__(source, source_dsn, store_dsn, tuning)
        self._position = 1000

    def begin(
        self, relations: Sequence[Relation], rows: Mapping[int, Iterable[Row]],
        mappings: Sequence[tuple[str, tuple[str, ...]]], schema: str,
    ) -> None:  # fmt: skip
        """A snapshot of these rows (relation → rows), mappings (text, key), the baseline derived."""
        self.relations = tuple(relations)
        self.intake = Intake(self._intake_conn, self.source)
        self.intake.pin(SourceIdentity("told", 1, CommitPos(self._position)))
        self.intake.begin_snapshot()
        read = [RowChange(ref, "r", None, row) for ref, listed in rows.items() for row in listed]
        self._append(self.relations, read, snapshot=True)
        for text, key in mappings:
            self.mapped.append(self.compile(RandomMapping(text, key, ""), schema))
        self.new_deriver()
        self.derive()

    def tell(self, changes: Sequence[RowChange], relations: Sequence[Relation] = ()) -> None:
        """One committed transaction."""
        self._append(relations, changes, snapshot=False)

    def _append(self, relations: Sequence[Relation], changes: Sequence[RowChange], *, snapshot: bool) -> None:
        self._position += 10
        at = CommitPos(self._position)
        piece = TransactionSlice(at, self._position, _AT, tuple(changes), snapshot=snapshot)
        self.intake.append(CaptureBatch(tuple(relations), (piece,), len(changes), at))

    def check(self) -> None:
        """As ever; nothing to ask where nothing is mapped."""
        if self.mapped:
            super().check()

    def live(self, relation: Relation) -> set[Row]:
        """What the mirror holds of a table, as texts."""
        listed = ", ".join(f'"{c.name}"::text' for c in relation.columns)
        view = f'"{mirror_schema(self.source)}"."{relation.schema}.{relation.table}"'
        return set(self.admin.execute(f"SELECT {listed} FROM {view}".encode()).fetchall())

    def items(self, ledger: str) -> dict[str, int]:
        """One ledger's counters of this source."""
        rows = self.admin.execute(
            "SELECT item, n FROM coexist.ledger WHERE ledger = %s AND scope = %s AND n <> 0", (ledger, self.source)
        ).fetchall()
        return {str(item): int(n) for item, n in rows}
