"""Every rule of incremental maintenance holds in a mapping made to break it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from agent.mapping.verify import prepare_all
from tests.support.mapping_cases import CASES, LEDGER, Case
from tests.support.mapping_oracle import MIRROR, Maintained, apply_batch, compiled, create_mirror
from tests.support.mapping_strategies import RandomMapping


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_state_equals_the_view_after_every_batch(conn: psycopg.Connection[Any], case: Case) -> None:
    create_mirror(conn, LEDGER, case.before)
    schema = LEDGER.source_schema()
    kept = Maintained(conn, schema, compiled(RandomMapping(case.sql, case.key, ""), schema))
    prepare_all(conn, kept.mapping, mirror_schema=MIRROR)
    kept.start()
    assert not kept.difference()
    for number, batch in enumerate(case.batches):
        apply_batch(conn, LEDGER, batch, [kept])
        assert not kept.difference(), f"after batch {number}"
