"""A source whose foreign keys act unseen: a real database carries the actions out, the line is told of the direct rows only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from agent.model.changes import Column, FkAction, ForeignKey, Relation, RowChange
from tests.support.line_oracle import Tuning
from tests.support.told_line import ToldLine

_ACTIONS: dict[str, FkAction] = {"c": "cascade", "n": "set null"}
_COLUMNS = (
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnum = ANY (i.indkey), a.attnotnull"
    " FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary"
    " WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum"
)
_KEYS = (
    "SELECT ARRAY(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY n (n, o)"
    " JOIN pg_attribute ON attrelid = k.conrelid AND attnum = n ORDER BY o), p.relname,"
    " ARRAY(SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY n (n, o)"
    " JOIN pg_attribute ON attrelid = k.confrelid AND attnum = n ORDER BY o),"
    " k.confdeltype::text, k.confupdtype::text"
    " FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid WHERE k.contype = 'f' AND k.conrelid = %s::regclass"
)


class Firm:
    """`txn` collects one transaction's statements; `catch_up` derives and compares every table and entity with the source."""

    def __init__(self, source_dsn: str, store_dsn: str, tuning: Tuning) -> None:
        self.sql = psycopg.connect(source_dsn, autocommit=True)
        self.line = ToldLine("firm", source_dsn, store_dsn, tuning)
        self._told: list[RowChange] = []

    def begin(
        self, setup: Sequence[str], mappings: Sequence[tuple[str, tuple[str, ...]]] = (), filling: Sequence[str] = ()
    ) -> None:
        """Make the tables; they are captured with their keys. filling: statements that may be refused."""
        for statement in setup:
            self.sql.execute(statement.encode())
        for statement in filling:
            with suppress(psycopg.IntegrityError):
                self.sql.execute(statement.encode())
        names = self.sql.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        self.relations = {name: self._relation(ref, name) for ref, (name,) in enumerate(names, 1)}
        self.line.begin(
            tuple(self.relations.values()), {r.ref: self.rows(r) for r in self.relations.values()}, mappings, "public"
        )

    def _relation(self, ref: int, name: str) -> Relation:
        columns = tuple(Column(*row) for row in self.sql.execute(_COLUMNS, (name,)).fetchall())
        keys = tuple(
            ForeignKey(tuple(own), "public", parent, tuple(theirs), _ACTIONS.get(gone, "none"), _ACTIONS.get(changed, "none"))
            for own, parent, theirs, gone, changed in self.sql.execute(_KEYS, (name,)).fetchall()
        )
        return Relation(ref, "public", name, columns, keys)

    def rows(self, relation: Relation) -> set[tuple[str | None, ...]]:
        """What the source has."""
        listed = ", ".join(f'"{c.name}"::text' for c in relation.columns)
        return set(self.sql.execute(f"SELECT {listed} FROM {relation.table}".encode()).fetchall())

    @contextmanager
    def txn(self) -> Iterator[None]:
        """One transaction; told when it commits."""
        with self.sql.transaction():
            yield
        told, self._told = self._told, []
        if told:
            self.line.tell(told)

    def insert(self, table: str, *rows: Sequence[Any]) -> None:
        """One statement."""
        places = ", ".join("(" + ", ".join(["%s"] * len(row)) + ")" for row in rows)
        self._run(table, "c", f"INSERT INTO {table} VALUES {places}", [v for row in rows for v in row])

    def delete(self, table: str, where: str) -> None:
        """One statement."""
        self._run(table, "d", f"DELETE FROM {table} WHERE {where}", [])

    def update(self, table: str, change: str, where: str) -> None:
        """One statement."""
        self._run(table, "u", f"UPDATE {table} SET {change} WHERE {where}", [])

    def attempt(self, table: str, verb: str, statement: str) -> bool:
        """One statement that may be refused; was it taken?"""
        try:
            with self.sql.transaction():
                self._run(table, {"insert": "c", "update": "u", "delete": "d"}[verb], statement, [])
        except psycopg.IntegrityError:
            return False
        return True

    def _run(self, table: str, op: Any, statement: str, values: Sequence[Any]) -> None:
        relation = self.relations[table]
        listed = ", ".join(f'{side}."{c.name}"::text' for side in ("old", "new") for c in relation.columns)
        rows = self.sql.execute(f"{statement} RETURNING {listed}".encode(), values or None).fetchall()
        width = len(relation.columns)
        for row in rows:
            old, new = row[:width], row[width:]
            self._told.append(
                RowChange(relation.ref, op, None if op == "c" else old, None if op == "d" else new, op != "c")
            )

    def catch_up(self) -> None:
        """Everything told, to derived state; mirror, entities and books must be right."""
        self.line.derive()
        for relation in self.relations.values():
            have, wanted = self.line.live(relation), self.rows(relation)
            assert have == wanted, f"{relation.table}: {sorted(have ^ wanted, key=str)}"
        self.line.check_source(self.sql)
        self.line.check_books()

    def effects(self) -> dict[str, int]:
        """What foreign keys did, as the books have it."""
        return {k: n for k, n in self.line.items("row_effects").items() if k.startswith("cascaded")}

    def ids(self, mapping: int = 0) -> dict[Any, str]:
        """Key → entity id, of what is not deleted."""
        keys = [k.output for k in self.line.mapped[mapping].compiled.key]
        listed = ", ".join(f'"{k}"' for k in keys)
        rows = self.line.admin.execute(
            f'SELECT {listed}, _id::text FROM "state_firm"."m{mapping}" WHERE NOT _deleted'.encode()
        ).fetchall()
        return {row[0] if len(keys) == 1 else row[:-1]: row[-1] for row in rows}

    def close(self) -> None:
        """Let go of everything."""
        self.line.close()
        self.sql.close()
