"""Every expression that the MariaDB dialect takes, asked of a MariaDB and of the mirror: the same value, row by row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from random import Random

import psycopg
import pytest

from agent.errors import MappingError
from agent.mapping.verify import prepare_all
from sandbox.psa.connect import execute
from sandbox.stack.mariadb import MariaDb
from tests.support.mariadb_oracle import MIRROR, Both
from tests.support.mariadb_values import EXPRESSIONS, POOLS, QUERIES, REFUSED, TABLE

pytestmark = pytest.mark.stack
ROWS = 60


@pytest.fixture(scope="module")
def both(mariadb: MariaDb, mirror: psycopg.Connection) -> Iterator[Both]:
    """Two tables whose rows hold every edge of every type, in any combination."""
    dsn = mariadb.create_database("dialect")
    rng = Random(4)
    with closing(mariadb.connect(database="dialect")) as conn:
        for table in ("t", "c"):
            execute(conn, TABLE.format(table=table))
            holders = ", ".join(["%s"] * (len(POOLS) + 2))
            # Every value at least once, the rest as the dice fall.
            longest = max(map(len, POOLS.values()))
            for number in range(max(ROWS, longest)):
                row = [pool[number] if number < len(pool) else rng.choice(pool) for pool in POOLS.values()]
                execute(conn, f"INSERT INTO {table} VALUES ({holders})", (number, rng.randrange(ROWS), *row))
        yield Both.of(dsn, conn, mirror)
    mariadb.drop_database("dialect")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_gives_what_mariadb_gives(both: Both, expression: str) -> None:
    sql = f"SELECT a.id AS id, {expression} AS o FROM t AS a"
    compiled = both.compiled(sql, ("id",))
    prepare_all(both.mirror, compiled, mirror_schema=MIRROR)
    assert both.mirror_rows(compiled.view_sql) == both.source_rows(sql), compiled.view_sql


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_gives_what_mariadb_gives(both: Both, text: str) -> None:
    sql = f"SELECT a.id AS id, {text}"
    compiled = both.compiled(sql, ("id",))
    prepare_all(both.mirror, compiled, mirror_schema=MIRROR)
    assert both.mirror_rows(compiled.view_sql) == both.source_rows(sql), compiled.view_sql


@pytest.mark.parametrize(("expression", "why"), REFUSED.items())
def test_what_could_differ_is_refused_by_name_with_what_to_write(both: Both, expression: str, why: str) -> None:
    sql = f"SELECT a.id AS id,\n{expression} AS o\nFROM t AS a"
    with pytest.raises(MappingError, match=why) as caught:
        both.compiled(sql, ("id",))
    assert caught.value.remedy
    assert caught.value.where.startswith("m.sql")


def test_upper_and_lower_know_every_letter_that_mariadb_knows(mariadb: MariaDb, both: Both) -> None:
    letters = [chr(n) for n in itertools.chain(range(0x21, 0xD800), range(0xE000, 0x20000))]
    execute(both.source, "CREATE OR REPLACE TABLE letters (id INT PRIMARY KEY, x TEXT COLLATE utf8mb4_bin)")
    for number in range(0, len(letters), 8000):
        execute(both.source, "INSERT INTO letters VALUES (%s, %s)", (number, "".join(letters[number : number + 8000])))
    mine = Both.of(mariadb.dsn(database="dialect"), both.source, both.mirror)
    sql = "SELECT a.id AS id, UPPER(a.x) AS u, LOWER(a.x) AS l FROM letters AS a"
    assert mine.mirror_rows(mine.compiled(sql, ("id",)).view_sql) == mine.source_rows(sql)
    execute(both.source, "DROP TABLE letters")
