"""Random runs of the real line: one schema with its mappings, then sequences of transactions, troubles and questions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from tests.support.line_changes import History, initial, insert_all, is_large, with_large_texts
from tests.support.line_oracle import Killed, Line, Tuning, usable
from tests.support.line_servers import Databases
from tests.support.mapping_strategies import (
    SCHEMA,
    RandomMapping,
    random_mapping,
    random_schema,
    source_ref,
)

CONNECTIONS = 3
LENGTHS = (1, 2, 3, 5, 8)  # transactions of a sequence, at least; what they leave is where the next one begins
_EMPTY = """DO $$ BEGIN EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(c.oid::regclass::text, ', ') FROM pg_class c
    WHERE c.relnamespace = 'coexist'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'store_identity'
); END $$"""
_sources = itertools.count(1)


@dataclass
class Tally:
    """What was run."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))


class Failed(AssertionError):
    """A difference, with what repeats it."""


def run(dbs: Databases, seed: int, sequences: int, mappings: int = 5, tally: Tally | None = None) -> None:
    """One random schema and its sequences. Raises Failed with the seed."""
    tally = tally or Tally()
    with World(dbs, seed, mappings, tally).living() as world:
        for number in range(sequences):
            try:
                world.sequence()
            except Exception as error:
                raise Failed(
                    f"seed {seed}, sequence {number}: {type(error).__name__}: {error}\n{world.story()}"
                ) from error
            tally.counts["sequences"] += 1


class Said:
    """Statements of open transactions: what one connection says without a break goes in one message."""

    def __init__(self, conns: Sequence[psycopg.Connection[Any]]) -> None:
        self._conns = conns
        self._waiting: list[tuple[int, str]] = []

    def add(self, number: int, text: str) -> None:
        """To be said after everything before it."""
        self._waiting.append((number, text))

    def send(self) -> None:
        """Say it."""
        for number, said in itertools.groupby(self._waiting, lambda one: one[0]):
            _run(self._conns[number], "; ".join(text for _, text in said))
        self._waiting.clear()


class World:
    """A source with its open transactions, and the line that follows it."""

    def __init__(self, dbs: Databases, seed: int, mappings: int, tally: Tally) -> None:
        self.rng, self.dbs, self.tally, self.wanted = Random(seed), dbs, tally, mappings
        self.schema = with_large_texts(self.rng, random_schema(self.rng))
        self.tuning = self._tuning()
        self.behind = 0  # transactions of the inbox that are not of `history.committed`
        self.columns = 0

    def _tuning(self) -> Tuning:
        choose = self.rng.choice
        return Tuning(
            choose([4, 20, 60, 8192, 8192, 8192]), choose([8, 25, 8192, 8192, 8192, 8192]), choose([1, 4, 8192, 8192]),
            choose([1, 3, 512]),
        )  # fmt: skip

    @contextmanager
    def living(self) -> Iterator[World]:
        """Made, and taken away again."""
        rng = self.rng
        with psycopg.connect(self.dbs.source, autocommit=True) as admin:
            self.admin = admin
            conns = [psycopg.connect(self.dbs.source, autocommit=True) for _ in range(CONNECTIONS)]
            for conn in (*conns, admin):
                conn.execute(f"SET search_path = {SCHEMA}, public; SET lock_timeout = '5s'; SET jit = off")
            self.said = Said(conns)
            self.history = History(rng, self.schema, source_ref, self.said.add, CONNECTIONS)
            self._create()
            name = f"o{self.dbs.source.rpartition('_')[2]}_{next(_sources)}"
            self.line = Line(name, self.dbs.source, self.dbs.store, self.tuning)
            try:
                self.line.open([(SCHEMA, t.name) for t in self.schema.tables])
                self.behind = 1
                self._map()
                self.line.new_deriver()
                self.line.derive()
                self.tally.counts["schemas"] += 1
                yield self
            finally:
                for conn in conns:
                    conn.close()
                self.line.close()
                self._forget()

    def _create(self) -> None:
        rng, rows = self.rng, initial(self.rng, self.schema, self.rng.randint(0, 30))
        statements = [f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE", f"CREATE SCHEMA {SCHEMA}", *self.schema.ddl(source_ref)]
        for table in self.schema.tables:
            for column in filter(is_large, table.columns):
                statements.append(f"ALTER TABLE {source_ref(table.name)} ALTER {column.name} SET STORAGE EXTERNAL")
            if rng.random() < 0.15:
                statements.append(f"ALTER TABLE {source_ref(table.name)} REPLICA IDENTITY FULL")
        _run(self.admin, "; ".join([*statements, *insert_all(self.schema, rows, source_ref)]))
        self.history.rows = rows

    def _map(self) -> None:
        """Mappings that compile; those whose keys come twice at once are mostly passed over."""
        tried = 0
        while len(self.line.mapped) < self.wanted:
            tried += 1
            mapping = random_mapping(self.rng, self.schema)
            if self._doubles(mapping) and self.rng.random() < 0.95 and tried < 200:
                continue
            mapped = usable(self.line, mapping, SCHEMA, **self._options(mapping))
            if mapped is None:
                self.tally.counts["refused mappings"] += 1
                continue
            self.line.mapped.append(mapped)
            self.tally.counts["mappings"] += 1

    def _options(self, mapping: RandomMapping) -> dict[str, Any]:
        rng = self.rng
        plain = [c.name for c in self.schema.table(mapping.root).columns if not c.key]
        own = tuple(f"{SCHEMA}.{t.name}" for t in self.schema.tables if rng.random() < 0.5)
        options: dict[str, Any] = {"own_tables": own if rng.random() < 0.5 else ()}
        if plain and rng.random() < 0.3:
            options |= {"keep": "every_change", "step_column": rng.choice(plain)}
        return options

    def _doubles(self, mapping: RandomMapping) -> bool:
        key = ", ".join(mapping.key)
        text = f"SELECT 1 FROM ({mapping.sql}) v GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
        return self.admin.execute(text.encode()).fetchone() is not None

    # ------------------------------------------------------------------------------------------------ one sequence

    def sequence(self) -> None:
        """Some transactions; the question after every step; at the end, with nothing open, the source is asked as well."""
        rng, history = self.rng, self.history
        history.told.clear()
        self._between()
        before = history.committed
        goal = before + rng.choice(LENGTHS)
        troubles = rng.random() < 0.15
        while history.committed < goal:
            if not self._act():
                continue
            dice = rng.random()
            if dice < 0.15:
                self._take_in()
                self._derive(rng.choice([1, 2, 99]))
            elif dice < 0.2:
                self.line.take_in(self._target(), acknowledge=False, batches=rng.randint(1, 2))
            if troubles and rng.random() < 0.2:
                self._trouble()
        history.settle()
        self.said.send()
        self._take_in()
        self._derive(10_000)
        self.line.check_source(self.admin)
        self.line.check_books()
        self.tally.counts["transactions"] += history.committed - before

    def _act(self) -> bool:
        committed = self.history.act()
        self.said.send()
        return committed

    def _target(self) -> int:
        return self.history.committed + self.behind

    def _take_in(self) -> None:
        self.line.take_in(self._target(), acknowledge=self.rng.random() < 0.8)

    def _derive(self, steps: int) -> None:
        for _ in range(steps):
            if not self.line.step().worked:
                return
            self.tally.counts["checked steps"] += 1

    # ------------------------------------------------------------------------------------------------ troubles

    def _trouble(self) -> None:
        kind = self.rng.choice(["kill", "kill", "restart", "replace", "replace"])
        self._note(kind)
        if kind == "kill":
            self._kill()
        elif kind == "restart":
            self.line.take_in(self._target(), acknowledge=False, batches=self.rng.randint(0, 2))
            self.line.restart_intake(behind=self.rng.random() < 0.5)
        else:
            self._take_in()
            zombie = self.line.deriver
            self.line.new_deriver()
            self._derive(self.rng.randint(1, 3))
            while not self._act():
                pass
            self._take_in()
            # The one before it wakes up: it must go on from where the newer one is, and know what that one did to keys.
            zombie.step()
            self.line.check()
            self.line.retire()

    def _kill(self) -> None:
        self._take_in()
        died = self.line.mortal_step(self.rng.randint(1, 40), by_server=self.rng.random() < 0.3)
        self.tally.counts["killed" if died else "not killed"] += 1
        if not died or (not self.line.conn.closed and self.rng.random() < 0.3):
            self._derive(1)
            return
        if self.rng.random() < 0.2:
            try:
                self.line.new_deriver(mortal=self.rng.randint(1, 80))
            except Killed:
                self.tally.counts["killed at start"] += 1
        self.line.new_deriver()
        self.line.retire()
        self._derive(1)

    def _between(self) -> None:
        """Between sequences, with no transaction open: now and then a new column, other rows, another snapshot."""
        dice = self.rng.random()
        if dice < 0.03:
            self.columns += 1
            table = self.rng.choice(self.schema.tables).name
            self._note(f"column {table}.n{self.columns}")
            _run(self.admin, f"ALTER TABLE {source_ref(table)} ADD n{self.columns} integer DEFAULT 7")
        elif dice < 0.08:
            self._note("other rows")
            self._other_rows()
        elif dice < 0.12:
            self._note("snapshot")
            self._other_rows(streamed=False)
            self.line.snapshot_again()
            self.behind = self.line.intake.state.last_txn - self.history.committed

    def _other_rows(self, *, streamed: bool = True) -> None:
        rows = initial(self.rng, self.schema, self.rng.randint(0, 30))
        deletes = [f"DELETE FROM {source_ref(t.name)}" for t in self.schema.tables if self.rng.random() < 0.8]
        emptied = {t.name for t in self.schema.tables if f"DELETE FROM {source_ref(t.name)}" in deletes}
        rows = {name: found if name in emptied else {} for name, found in rows.items()}
        changed = any(rows.values()) or any(self.history.rows[name] for name in emptied)
        if not changed:
            return
        _run(self.admin, "; ".join(["BEGIN", *deletes, *insert_all(self.schema, rows, source_ref), "COMMIT"]))
        for name in emptied:
            self.history.rows[name] = rows[name]
        self.behind += 1

    def _note(self, what: str) -> None:
        self.tally.counts[what.split(" ")[0]] += 1
        self.history.told.append(f"-- {what}")

    def story(self) -> str:
        """What a person needs to see the failure happen."""
        tables = ";\n".join(self.schema.ddl(source_ref))
        return f"{self.line.tuning}\n{tables}\n" + "\n".join(self.history.told)

    def _forget(self) -> None:
        with psycopg.connect(self.dbs.source, autocommit=True) as admin:
            admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active"
                          " AND database = current_database()")  # fmt: skip
            admin.execute(f'DROP PUBLICATION IF EXISTS "p_{self.line.source}"'.encode())
        # The books are counted over the whole store: what earlier schemas left there would cost more and more.
        with psycopg.connect(self.dbs.store, autocommit=True) as admin:
            admin.execute(_EMPTY)


def _run(conn: psycopg.Connection[Any], text: str) -> None:
    conn.execute(text.encode())


__all__ = ["Failed", "Tally", "run"]
