"""What the demo reads from the store and from both legacy databases while all are at work."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from agent.cli.demo.view import View
from agent.store.queries import queries
from sandbox.stack.mariadb import MariaDb

_SQL = queries("agent.cli.demo", "firm")


@dataclass(frozen=True, slots=True)
class Marks:
    """Where both sources stood when the users had gone home. lsn: PostgreSQL's log; gtid: MariaDB's last number, by domain."""

    lsn: int
    gtid: dict[str, int]


class FirmView(View):
    """Looks at the store and at both sources."""

    def __init__(self, store_dsn: str, finance_dsn: str, psa: MariaDb) -> None:
        super().__init__(store_dsn, finance_dsn)
        self._psa = psa.connect(psa.connector)

    def close(self) -> None:
        """Let go of all."""
        super().close()
        self._psa.close()

    def marks(self) -> Marks:
        """Everything committed before this call lies before them; finance gets a last change of nothing behind its mark."""
        with self._psa.cursor() as cursor:
            cursor.execute("SELECT @@gtid_binlog_pos")
            row = cursor.fetchone()
        parts = [p.split("-") for p in str(row[0] if row else "").split(",") if p]
        return Marks(self.mark(), {domain: int(number) for domain, _, number in parts})

    def through(self, marks: Marks) -> bool:
        """All of it is captured, derived and answered."""
        cursors = {
            source: orjson.loads(text) if text else {}
            for source, text in self.store.execute(_SQL["cursors"]).fetchall()
        }
        finance, psa = cursors.get("finance", {}), cursors.get("psa", {}).get("gtids", {})
        captured = (finance.get("lsn") or 0) > marks.lsn and all(
            psa.get(domain, 0) >= n for domain, n in marks.gtid.items()
        )
        row = self.store.execute(_SQL["underived"]).fetchone()
        now = self.standing()
        return captured and row == (0,) and now.ready and now.dirty == 0 and now.in_flight == 0 and now.unknown == 0

    def leader(self, source: str) -> int | None:
        """Process id of the agent that derives a source now."""
        row = self.store.execute(_SQL["leader"], (f"derive:{source}",)).fetchone()
        return int(str(row[0]).rpartition(":")[2]) if row else None
