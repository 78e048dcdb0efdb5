"""What cannot be kept up to date is refused by name, with file, line, reason and remedy."""

from __future__ import annotations

import pytest

from agent.errors import MappingError
from agent.mapping.compile import compile_mapping
from agent.model.mapping import CompiledMapping
from tests.support.mapping_cases import LEDGER

KEY = ("co", "no")


def build(
    sql: str, key: tuple[str, ...] = KEY, *, consent: bool = False, dialect: str = "postgres"
) -> CompiledMapping:
    return compile_mapping(
        name="src.m", source="src", entity="invoice", sql=sql, sql_path="maps/m.sql", key=key, dialect=dialect,
        schema=LEDGER.source_schema(), mirror_schema="mirror_src", consent_every_root=consent,
    )  # fmt: skip


REFUSED = [
    # (text, part of the reason, line)
    ("SELECT h.co, h.no\nFROM hh h", "table hh is not captured", 2),
    ("SELECT h.co, h.no,\n h.custo FROM h", "column h.custo does not exist", 2),
    ("SELECT h.co, h.no\nFROM h WHERE\n nothing = 1", "column nothing does not exist", 3),
    ("SELECT h.co, h.no, z.id\nFROM h", "column z.id does not exist", 1),
    ("SELECT co, no, amt FROM h JOIN l ON l.co = h.co AND l.no = h.no", "ambiguous", 1),
    ("SELECT *\nFROM h", "SELECT *", 1),
    ("SELECT h.co, h.no,\n h.* FROM h", "SELECT *", 2),
    ("SELECT h.co, h.no FROM h\nORDER BY h.co", "ORDER BY", 2),
    ("SELECT h.co, h.no FROM h\nLIMIT 3", "LIMIT", 2),
    ("SELECT h.co, h.no FROM h\nOFFSET 3", "OFFSET", 2),
    ("SELECT DISTINCT h.co, h.no FROM h", "DISTINCT", 1),
    ("SELECT h.co, h.no FROM h\nUNION SELECT l.co, l.no FROM l", "UNION", None),
    ("SELECT h.co, h.no,\n row_number() OVER (PARTITION BY h.co) AS n FROM h", "window", 2),
    ("SELECT h.co, h.no FROM l\nRIGHT JOIN h ON l.co = h.co", "RIGHT", 2),
    ("SELECT h.co, h.no FROM h\nFULL JOIN l ON l.co = h.co", "FULL", 2),
    ("SELECT h.co, h.no FROM h\nNATURAL JOIN l", "NATURAL", 2),
    ("SELECT h.co, h.no FROM h JOIN l\nUSING (co)", "USING", None),
    ("SELECT h.co, h.no, x.v FROM h\nCROSS JOIN x", "nothing links src.x", 2),
    ("SELECT h.co, h.no,\n (SELECT max(x.v) FROM x) AS m FROM h", "nothing links src.x", 2),
    ("SELECT h.co, h.no, count(*) AS n FROM h GROUP BY ROLLUP (h.co, h.no)", "ROLLUP", 1),
    ("SELECT h.co, h.no FROM h GROUP BY 1, 2", "GROUP BY", 1),
    ("SELECT max(h.co) AS co, h.no FROM h GROUP BY h.no", "computed", 1),
    ("SELECT h.co, h.no, count(*) AS n FROM h GROUP BY h.co", "does not contain the whole key", 1),
    ("WITH RECURSIVE t AS (SELECT 1 AS a) SELECT h.co, h.no FROM h", "recursive", None),
    ("WITH t AS (SELECT l.co FROM l) SELECT h.co, h.no FROM h", "never used", 1),
    ("SELECT h.co, h.no, now() AS t FROM h", "now: its value changes without", 1),
    ("SELECT h.co, h.no FROM h\nWHERE h.amt > 3 AND\n current_date > '2020-01-01'", "changes without", 3),
    ("SELECT h.co, h.no,\n random() AS r FROM h", "changes without", 2),
    ("SELECT h.co, h.no, gen_random_uuid() AS r FROM h", "changes without", 1),
    ("SELECT h.co, h.no,\n made_up(h.amt) AS r FROM h", "function made_up()", 2),
    ("SELECT h.co, h.no, to_char(h.amt, 'FM999') AS r FROM h", "format", 1),
    ("SELECT h.co, h.no, h.cur::bytea AS r FROM h", "cast to BYTEA", 1),
    ("SELECT h.co, h.no,\n (SELECT json_agg(l.ln) FROM l WHERE l.co = h.co) AS a FROM h", "without ORDER BY", 2),
    ("SELECT h.co, h.no,\n (SELECT jsonb_agg(l.ln) FROM l WHERE l.co = h.co) AS a FROM h", "without ORDER BY", 2),
    ("SELECT h.co, h.no, (SELECT string_agg(c.name, ',') FROM c WHERE c.id = h.cust) AS a FROM h", "without ORDER", 1),
    ("SELECT h.co, h.no, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY l.amt) FROM l WHERE l.co = h.co) AS a"
     " FROM h", "ordered-set", 1),
    ("SELECT h.co, h.no FROM h WHERE h.amt = ANY (SELECT x.v FROM x)", "ANY", 1),
    ("SELECT h.co, h.no FROM h WHERE h.amt > ALL (SELECT x.v FROM x)", "ALL", 1),
    ("SELECT h.co, h.no, t.b FROM h JOIN LATERAL (SELECT 1 AS b) AS t ON true", "LATERAL", 1),
    ("SELECT h.co, h.no FROM h JOIN (l JOIN c ON c.id = l.item) ON l.co = h.co", "parenthesised join", 1),
    ("SELECT h.co, h.no FROM h JOIN (VALUES (1)) AS v(a) ON v.a = h.co", "VALUES", 1),
    ("SELECT h.co, h.no FROM h JOIN generate_series(1, 2) AS g ON true", "not a captured table", 1),
    ("SELECT h.co, h.no, h.amt + 1 FROM h", "has no name", 1),
    ("SELECT h.co, h.no, h.amt AS a, h.cust AS a FROM h", "two outputs are called a", 1),
    ("SELECT h.co, h.no FROM h JOIN c AS h ON h.id = 1", "two FROM items", 1),
    ("SELECT h.co, h.no, (SELECT max(h.amt) FROM x WHERE x.id = h.cust) AS m FROM h", "outer query", 1),
    ("SELECT h.co, h.no FROM h FOR UPDATE", "FOR UPDATE", None),
    ("SELECT h.co, h.no\nFROM h WHERE (", "not SQL", 2),
    ("DELETE FROM h", "not a SELECT", None),
    ("SELECT h.co, h.no FROM h; SELECT 1", "exactly one SELECT", None),
    ("SELECT h.co, h.no, '{keys}' AS k FROM h", "{keys}", None),
    # keys
    ("SELECT h.co FROM h", "no is not an output", None),
    ("SELECT h.co, h.no + 0 AS no FROM h", "computed", 1),
    ("SELECT h.co, h.amt AS no FROM h", "is not the primary key of src.h", 1),
    ("SELECT l.co, l.no FROM l", "is not the primary key of src.l", 1),
    ("SELECT h.co, l.no FROM h JOIN l ON l.co = h.co", "more than one table", 1),
    ("SELECT h.co, h.no FROM l LEFT JOIN h ON l.co = h.co AND l.no = h.no", "outer-joined", 1),
    ("SELECT t.co, t.no FROM (SELECT h.co, h.no FROM h) AS t", "from a sub-query", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "reason", "line"), REFUSED, ids=[r[0].replace("\n", " ")[:70] for r in REFUSED]
)
def test_refused_with_reason_place_and_remedy(sql: str, reason: str, line: int | None) -> None:
    with pytest.raises(MappingError) as caught:
        build(sql)
    assert reason.lower() in caught.value.what.lower()
    assert caught.value.remedy
    assert caught.value.where.startswith("maps/m.sql")
    if line is not None:
        assert caught.value.where == f"maps/m.sql:{line}"


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(MappingError) as caught:
        build("SELECT h.co, h.no, h.custt FROM h")
    assert "h.cust" in caught.value.remedy
    with pytest.raises(MappingError) as caught:
        build("SELECT h.co, h.no FROM scr.h AS h")
    assert "src.h" in caught.value.remedy


def test_a_dialect_that_is_not_enabled_is_refused() -> None:
    with pytest.raises(MappingError, match="dialect tsql"):
        build("SELECT h.co, h.no FROM h", dialect="tsql")


def test_consent_lets_a_table_without_link_in() -> None:
    mapping = build("SELECT h.co, h.no, x.v FROM h CROSS JOIN x", consent=True)
    assert [leaf.every_root for leaf in mapping.leaves] == [False, True]
