"""Whatever the schema, the mapping and the changes: state kept by affected keys equals the view from scratch."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.support.mapping_oracle import Maintained, apply_batch, compiled, create_mirror
from tests.support.mapping_strategies import Rows, random_mapping, random_schema

MAPPINGS, BATCHES = 4, 3
EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "100"))


@pytest.mark.oracle
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(structure=st.randoms(use_true_random=False), seed=st.integers(0, 2**32))
def test_random_mappings_keep_equal_to_their_views(
    oracle_connection: psycopg.Connection[Any], structure: Random, seed: int
) -> None:
    check(oracle_connection, structure, Random(seed))


def check(conn: psycopg.Connection[Any], structure: Random, data: Random) -> None:
    """One random schema, several mappings, several batches; everything rolled back."""
    conn.rollback()
    schema = random_schema(structure)
    source, rows = schema.source_schema(), Rows(schema)
    mappings = [compiled(random_mapping(structure, schema), source) for _ in range(MAPPINGS)]
    create_mirror(conn, schema, rows.initial(data))
    kept = [Maintained(conn, source, m) for m in mappings]
    for maintained in kept:
        note(maintained.mapping.sql)
        maintained.start()
    for number in range(BATCHES + 1):
        batch = rows.random_batch(data, data.randint(1, 6)) if number else []
        note(str(batch))
        apply_batch(conn, schema, batch, kept)
        for maintained in kept:
            assert not maintained.difference(), f"after batch {number}\n{maintained.mapping.sql}"
    conn.rollback()
