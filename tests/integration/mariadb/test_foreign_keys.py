"""Foreign-key actions against a real MariaDB: from its binary log alone, the mirror comes to what the server's tables hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg
import pymysql
import pytest
from hypothesis import HealthCheck, event, given, note, settings

from agent.capture.kafka.mariadb_catalogue import MariaDbCatalogue
from agent.model.changes import Relation
from sandbox.stack.mariadb import MariaDb
from tests.support import binary_log
from tests.support.foreign_key_strategies import Story, stories
from tests.support.line_oracle import Tuning
from tests.support.told_line import Row, ToldLine

pytestmark = pytest.mark.stack
_numbers = itertools.count(1)
_TEXT = "varchar(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"


class Pair:
    """A MariaDB's database and the mirror that follows its binary log."""

    def __init__(self, server: MariaDb, store: psycopg.Connection, batch_rows: int = 8192) -> None:
        self._server = server
        self.name = f"keys_{next(_numbers)}"
        server.create_database(self.name)
        self.sql = server.connect(database=self.name, autocommit=False)
        self.sql.cursor().execute("SET innodb_lock_wait_timeout = 5")
        dsn = f"{server_dsn(store)}"
        self.line = ToldLine(self.name, dsn, dsn, Tuning(batch_rows=batch_rows))

    def begin(self, mappings: Sequence[tuple[str, tuple[str, ...]]] = ()) -> None:
        """The snapshot, as the tables are now; mappings: (text, key)."""
        with closing(MariaDbCatalogue(self._server.dsn(database=self.name))) as catalogue:
            self.relations = {r.table: r for r in catalogue.relations()}
        rows = {r.ref: self.rows(r) for r in self.relations.values()}
        self.line.begin(tuple(self.relations.values()), rows, mappings, self.name)
        self._place = binary_log.place(self._server)

    def run(self, *statements: str) -> int:
        """One transaction; how many of its statements the server took."""
        taken = 0
        with self.sql.cursor() as cursor:
            for statement in statements:
                try:
                    cursor.execute(statement)
                    taken += 1
                except pymysql.Error:
                    continue
        self.sql.commit()
        return taken

    def rows(self, relation: Relation) -> set[Row]:
        """What the server has."""
        listed = ", ".join(f"`{c.name}`" for c in relation.columns)
        with self.sql.cursor() as cursor:
            cursor.execute(f"SELECT {listed} FROM `{relation.table}`")
            found = {tuple(None if v is None else str(v) for v in row) for row in cursor.fetchall()}
        self.sql.commit()
        return found

    def follow(self) -> None:
        """Everything in the log, to the mirror; both must hold the same."""
        told = binary_log.transactions(self._server, self._place, self.relations)
        self._place = binary_log.place(self._server)
        for changes in told:
            self.line.tell(changes)
        self.line.derive()
        self.line.check()
        self.line.check_books()
        for relation in self.relations.values():
            have, wanted = self.line.live(relation), self.rows(relation)
            more, less = sorted(have - wanted, key=str), sorted(wanted - have, key=str)
            assert have == wanted, f"{relation.table}: the mirror alone has {more}, the server alone {less}"

    def close(self) -> None:
        """Take it away."""
        self.sql.close()
        self.line.close()
        self._server.drop_database(self.name)


def server_dsn(store: psycopg.Connection) -> str:
    """The store's DSN."""
    info = store.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"


@pytest.fixture
def pair(mariadb: MariaDb, store: psycopg.Connection) -> Iterator[Pair]:
    """An empty pair."""
    made = Pair(mariadb, store)
    yield made
    made.close()


def test_a_chain_of_three_with_every_action(pair: Pair) -> None:
    pair.run(
        "CREATE TABLE client (no varchar(8) PRIMARY KEY, name varchar(20))",
        "CREATE TABLE boss (id int PRIMARY KEY)",
        "CREATE TABLE job (id int PRIMARY KEY, client varchar(8), boss int, what text,"
        " FOREIGN KEY (client) REFERENCES client (no) ON DELETE CASCADE ON UPDATE CASCADE,"
        " FOREIGN KEY (boss) REFERENCES boss (id) ON DELETE SET NULL ON UPDATE CASCADE)",
        "CREATE TABLE line (job int, no int, hours decimal(8,2), PRIMARY KEY (job, no),"
        " FOREIGN KEY (job) REFERENCES job (id) ON DELETE CASCADE ON UPDATE CASCADE)",
        "INSERT INTO client VALUES ('A', 'one'), ('B', 'two')", "INSERT INTO boss VALUES (1), (2)",
        "INSERT INTO job VALUES (1, 'A', 1, 'x'), (2, 'b', 2, 'y'), (3, 'B ', 1, 'z')",
        "INSERT INTO line VALUES (1, 1, 1.5), (1, 2, 2), (2, 1, 3), (3, 1, 4)",
    )
    pair.begin()
    pair.run("UPDATE client SET no = 'b9' WHERE no = 'B'", "UPDATE job SET id = id + 10 ORDER BY id DESC")
    pair.run("DELETE FROM boss WHERE id = 1", "UPDATE client SET no = 'B9' WHERE no = 'b9'")
    pair.follow()
    assert pair.line.items("row_effects") | {"keys_left_or_truncated": 0} == {
        "cascaded_updates": 2 + 4 + 2, "cascaded_nulls": 2, "keys_left_or_truncated": 0,
    }  # fmt: skip
    pair.run("DELETE FROM client")
    pair.follow()
    assert pair.line.items("row_effects")["cascaded_deletes"] == 3 + 4
    assert pair.line.live(pair.relations["line"]) == set()


def test_replacing_a_parent_takes_its_children_and_a_refused_statement_takes_none(pair: Pair) -> None:
    pair.run(
        "CREATE TABLE p (id int PRIMARY KEY, n int)",
        "CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)",
        "CREATE TABLE r (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id))",
        "INSERT INTO p VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO c VALUES (1, 1), (2, 2), (3, 3)",
        "INSERT INTO r VALUES (1, 3)",
    )  # fmt: skip
    pair.begin()
    assert pair.run("REPLACE INTO p VALUES (1, 9)", "DELETE FROM p WHERE id = 3", "INSERT INTO c VALUES (9, 1)") == 2
    pair.follow()
    assert {row[0] for row in pair.line.live(pair.relations["c"])} == {"2", "3", "9"}
    assert pair.line.items("row_effects")["cascaded_deletes"] == 1


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=stories(mariadb=True))
def test_random_keys_and_transactions(mariadb: MariaDb, store: psycopg.Connection, story: Story) -> None:
    """Whatever the server did by itself, the mirror has it too; the log told of the direct rows only."""
    pair = Pair(mariadb, store, story.batch_rows)
    try:
        for table in story.tables:
            assert pair.run(table.ddl(_TEXT)) == 1
        for statement in story.filling:
            pair.run(statement.sql(mariadb=True))
        pair.begin([table.mapping for table in story.tables])
        for transaction in story.transactions:
            texts = [s.sql(mariadb=True) for s in transaction]
            note(f"{pair.run(*texts)} of {texts}")
        pair.follow()
        for what in pair.line.items("row_effects"):
            event(what)
    finally:
        pair.close()
