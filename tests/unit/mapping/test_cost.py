"""What a statement costs depends on its keys, not on what the mirror holds."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from agent.model.mapping import CHANGED, KEYS, CompiledMapping
from tests.support.mapping_cases import LEDGER
from tests.support.mapping_oracle import MIRROR, compiled, create_mirror, mirror_ref
from tests.support.mapping_strategies import RandomMapping

MAPPINGS = {
    "chain, grouped sub-query and list": "SELECT h.co, h.no, p.name, t.total, (SELECT json_agg(json_build_object('n',"
    " l.ln, 'v', x.v) ORDER BY l.ln) FROM l LEFT JOIN x ON x.id = l.item WHERE l.co = h.co AND l.no = h.no) AS lines"
    " FROM h JOIN c ON c.id = h.cust LEFT JOIN c AS p ON p.id = c.parent LEFT JOIN (SELECT l.co, l.no, sum(l.amt) AS"
    " total FROM l GROUP BY l.co, l.no) AS t ON t.co = h.co AND t.no = h.no",
    "IN and NOT IN wherever NULL matters": "SELECT h.co, h.no, h.cust IN (SELECT x.v FROM x) AS k FROM h WHERE h.amt NOT IN"
    " (SELECT x.id FROM x) OR h.cust IN (SELECT l.item FROM l WHERE l.co = h.co GROUP BY l.item HAVING count(*) > 1)",
    "a CTE used twice, one aggregate over another": "WITH t AS (SELECT l.co, l.no, sum(l.amt) AS s FROM l GROUP BY l.co,"
    " l.no), u AS (SELECT t.co, t.no, max(t.s) AS m FROM t GROUP BY t.co, t.no) SELECT h.co, h.no, t.s, u.m FROM h"
    " LEFT JOIN t ON t.co = h.co AND t.no = h.no LEFT JOIN u ON u.co = h.co AND u.no = h.cust",
    "latest rate and comma join": "SELECT h.co, h.no, r.rate, c.name FROM c, h LEFT JOIN r ON r.cur = h.cur AND r.d ="
    " (SELECT max(r2.d) FROM r AS r2 WHERE r2.cur = h.cur AND r2.d <= h.amt) WHERE c.id = h.cust AND h.amt >= 0",
}


@pytest.mark.parametrize("sql", MAPPINGS.values(), ids=MAPPINGS)
def test_a_mirror_ten_times_as_big_costs_the_same(conn: psycopg.Connection[Any], sql: str) -> None:
    mapping = compiled(RandomMapping(sql, ("co", "no"), "h"), LEDGER.source_schema(), consent=False)
    small = _costs(conn, mapping, 3_000)
    conn.rollback()
    big = _costs(conn, mapping, 30_000)
    for what, pages in big.items():
        # An index of ten times as many rows is a level or two deeper; a scan would read ten times the pages.
        assert pages <= 2 * small[what] + 50, f"{what}: {small[what]} pages, then {pages}"


def _costs(conn: psycopg.Connection[Any], mapping: CompiledMapping, rows: int) -> dict[str, int]:
    create_mirror(conn, LEDGER, ())
    h, line, c, x, r = (mirror_ref(t) for t in "hlcxr")
    conn.execute(
        f"INSERT INTO {h} SELECT i % 10, i, i % {rows // 4}, i, 'C' || i % {rows // 10} FROM generate_series(1, {rows}) i;"
        f"INSERT INTO {line} SELECT i % 10, i, k, (i * k) % {rows // 2}, 1 FROM generate_series(1, {rows}) i,"
        f" generate_series(1, 3) k; INSERT INTO {c} SELECT i, 'c', (i + 1) % {rows // 4} FROM"
        f" generate_series(0, {rows // 4}) i; INSERT INTO {x} SELECT i, i, i FROM"
        f" generate_series({rows * 2}, {rows * 2 + rows // 2}) i; INSERT INTO {r} SELECT 'C' || i % {rows // 10}, i % 100,"
        f" 1 FROM generate_series(1, {rows}) i ON CONFLICT DO NOTHING"
    )
    for table, columns in mapping.required_indexes:
        conn.execute(f'CREATE INDEX ON "{MIRROR}"."{table}" ({", ".join(columns)})')
    conn.execute("ANALYZE; SET LOCAL random_page_cost = 1.1")
    keys = "(SELECT i % 10 AS co, i AS no FROM generate_series(101, 150) AS i)"
    found = {"evaluate": _pages(conn, mapping.evaluate_sql.replace(KEYS, keys))}
    for leaf in mapping.leaves:
        if leaf.affected_sql is not None:
            changed = f'(SELECT * FROM "{MIRROR}"."{leaf.table}" LIMIT 50)'
            found[leaf.leaf_id] = _pages(conn, leaf.affected_sql.replace(CHANGED, changed))
    return found


def _pages(conn: psycopg.Connection[Any], sql: str) -> int:
    row = conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT json) {sql}").fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])
