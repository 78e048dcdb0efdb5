"""A small source and the real line behind it, with mappings written by hand; the oracle is asked after every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.support.line_oracle import Line, Tuning
from tests.support.mapping_strategies import RandomMapping

LARGE = "x" * 3000


def large(mark: str) -> str:
    """A text that is kept out of line, and not sent when it was left alone."""
    return mark * 3000


@dataclass
class World:
    """`txn` commits in the source; `take_in` and `derive` move the line on."""

    source_dsn: str
    store_dsn: str
    tuning: Tuning = field(default_factory=Tuning)
    committed: int = 1  # the snapshot

    def begin(self, setup: Sequence[str], mappings: Sequence[tuple[str, tuple[str, ...]]], **options: Any) -> None:
        """Make the tables, take the snapshot, build the mappings (text, key), derive the baseline."""
        self.sql = psycopg.connect(self.source_dsn, autocommit=True)
        for statement in setup:
            self.sql.execute(statement.encode())
        tables = self.sql.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1, 2"
        ).fetchall()
        self.line = Line("flow", self.source_dsn, self.store_dsn, self.tuning)
        self.line.open([(s, t) for s, t in tables])
        for text, key in mappings:
            self.line.mapped.append(self.line.compile(RandomMapping(text, key, ""), "public", **options))
        self.line.new_deriver()
        self.line.derive()

    def txn(self, *statements: str) -> None:
        """One committed transaction that changes something."""
        with self.sql.transaction():
            for statement in statements:
                self.sql.execute(statement.encode())
        self.committed += 1

    def take_in(self) -> None:
        """Everything that is committed, into the inbox."""
        self.line.take_in(self.committed)

    def catch_up(self) -> None:
        """Everything that is committed, to derived state, checked after every step and against the source itself."""
        self.take_in()
        self.line.derive()
        self.line.check_source(self.sql)
        self.line.check_books()

    def state(self, mapping: int = 0) -> dict[Any, Any]:
        """Key (or tuple of them) → the other outputs, of what is not deleted."""
        mapped = self.line.mapped[mapping]
        keys = [k.output for k in mapped.compiled.key]
        others = [o.name for o in mapped.compiled.outputs if o.name not in keys]
        listed = ", ".join(f'"{n}"' for n in [*keys, *others])
        rows = self.store(f'SELECT {listed} FROM "state_flow"."m{mapping}" WHERE NOT _deleted')
        n = len(keys)
        return {_one(row[:n]): _one(row[n:]) for row in rows}

    def ids(self, mapping: int = 0) -> dict[Any, Any]:
        """Key → entity id, of what is not deleted."""
        keys = [k.output for k in self.line.mapped[mapping].compiled.key]
        listed = ", ".join(f'"{n}"' for n in keys)
        rows = self.store(f'SELECT {listed}, _id FROM "state_flow"."m{mapping}" WHERE NOT _deleted')
        return {_one(row[:-1]): str(row[-1]) for row in rows}

    def store(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the store."""
        return self.line.admin.execute(query.encode(), params).fetchall()

    def items(self, ledger: str) -> dict[str, int]:
        """One ledger's counters of this source."""
        rows = self.store("SELECT item, n FROM coexist.ledger WHERE ledger = %s AND scope = 'flow' AND n <> 0", ledger)
        return {str(item): int(n) for item, n in rows}

    def close(self) -> None:
        """Let go of everything."""
        if hasattr(self, "line"):
            self.line.close()
        if hasattr(self, "sql"):
            self.sql.close()


def _one(row: tuple[Any, ...]) -> Any:
    return row[0] if len(row) == 1 else row
