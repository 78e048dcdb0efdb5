"""Whatever the schema, mapping and changes: the state kept over the mirror is what MariaDB itself answers to the same text."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from random import Random

import psycopg
import pymysql
import pytest

from agent.errors import MappingError
from sandbox.psa.connect import execute
from sandbox.stack.mariadb import MariaDb
from tests.support.mapping_strategies import change_sql
from tests.support.mariadb_oracle import Both, Kept, follow
from tests.support.mariadb_strategies import MariaDbSchema, mariadb_mapping, mariadb_rows, mariadb_schema

pytestmark = [pytest.mark.stack, pytest.mark.oracle]
# Schemas, each with its own tables, mappings and changes. COEXIST_SEED runs other ones.
SCHEMAS = int(os.environ.get("MARIADB_ORACLE_SCHEMAS", "15"))
MAPPINGS, BATCHES = 12, 3
SEED = int(os.environ.get("COEXIST_SEED", "1")) * 1_000_000


def test_random_mappings_keep_equal_to_what_mariadb_answers(mariadb: MariaDb, mirror: psycopg.Connection) -> None:
    tally: Counter[str] = Counter()
    for number in range(SCHEMAS):
        check(mariadb, mirror, SEED + number, tally)
    print(dict(tally))
    assert tally["mappings"] > SCHEMAS * MAPPINGS / 4, tally  # most of what is written must be taken, or nothing is tested
    assert tally["rows"] > 2 * SCHEMAS
    assert tally["MariaDB contradicts itself"] <= tally["mappings"] / 50 + 2, tally


def check(mariadb: MariaDb, mirror: psycopg.Connection, seed: int, tally: Counter[str]) -> None:
    """One random schema, its mappings, several batches of changes."""
    rng = Random(seed)
    mariadb.drop_database("src")
    dsn = mariadb.create_database("src")
    schema = mariadb_schema(rng)
    model = mariadb_rows(schema)
    with closing(mariadb.connect(database="src")) as conn:
        execute(conn, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
        for statement in [*schema.ddl(), *(change_sql(schema.schema, c, _quoted) for c in model.initial(rng))]:
            execute(conn, statement)
        both = Both.of(dsn, conn, mirror)
        kept = [k for k in (_kept(both, rng, schema, tally) for _ in range(MAPPINGS)) if k is not None]
        for batch in range(BATCHES + 1):
            if batch:
                for change in model.random_batch(rng, rng.randint(1, 6)):
                    execute(conn, change_sql(schema.schema, change, _quoted))
                tally["rows"] += follow(both, kept)
            for one in kept:
                difference = one.difference()
                texts = f"{one.mapping.sql}\n{one.mapping.view_sql}"
                assert not difference, f"seed {seed}, after batch {batch}\n{texts}\n{difference}"
    tally["schemas"] += 1
    tally["MariaDB contradicts itself"] += len(set(both.contradictions))
    tally[schema.texts] += len(kept)


def _kept(both: Both, rng: Random, schema: MariaDbSchema, tally: Counter[str]) -> Kept | None:
    mapping = mariadb_mapping(rng, schema)
    try:
        one = Kept(both, both.compiled(mapping.sql, mapping.key))
        both.source_rows(mapping.sql)
    except MappingError as error:
        tally[f"refused: {error.what[:40]}"] += 1
        return None
    except pymysql.Error as error:
        tally[f"MariaDB refuses: {error.args[0]}"] += 1
        return None
    one.start()
    tally["mappings"] += 1
    return one


def _quoted(table: str) -> str:
    return f'"{table}"'
