"""What the compiler tells about a mapping: leaves, links, columns read, indexes needed, lineage, version."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from agent.errors import MappingError
from agent.mapping.verify import describe, prepare_all
from agent.model.mapping import TableName
from agent.store.embedded import EmbeddedServer
from tests.support.mapping_cases import LEDGER
from tests.support.mapping_oracle import MIRROR, create_mirror
from tests.unit.mapping.test_refusals import build

INVOICE = """-- one invoice
SELECT h.co, h.no AS "No", c.name AS customer, coalesce(t.total, 0) AS total,
       (SELECT json_agg(json_build_object('n', l.ln) ORDER BY l.ln) FROM l
        WHERE l.co = h.co AND l.no = h.no) AS lines
FROM src.h JOIN c ON c.id = h.cust
LEFT JOIN (SELECT co, no, sum(amt) AS total FROM l GROUP BY co, no) AS t ON t.co = h.co AND t.no = h.no
;"""


def table(name: str) -> TableName:
    return TableName("src", name)


def test_the_view_is_the_text_as_written_over_the_mirror() -> None:
    view = build(INVOICE, ("co", "No")).view_sql
    assert view.startswith('-- one invoice\nSELECT h.co, h.no AS "No"')
    assert 'FROM "mirror_src"."src.h" AS "h" JOIN "mirror_src"."src.c" AS "c" ON c.id = h.cust' in view
    assert not view.endswith(";")


def test_the_root_leaf_has_no_statement_and_its_other_occurrences_do() -> None:
    mapping = build(
        "SELECT a.co, a.no, b.amt AS other FROM h AS a LEFT JOIN h AS b ON b.co = a.co AND b.no = a.cust"
    )
    root, other = mapping.leaves
    assert root.affected_sql is None
    assert root.root_link == (("co", "co"), ("no", "no"))
    assert other.table == table("h")
    assert other.affected_sql is not None


def test_a_child_whose_columns_hold_the_root_key_tells_its_entity_by_itself() -> None:
    mapping = build(INVOICE, ("co", "No"))
    links = {leaf.leaf_id.split(":")[1]: leaf.root_link for leaf in mapping.leaves}
    assert links["l"] == (("co", "co"), ("No", "no"))
    assert links["c"] == ()


def test_a_link_through_a_chain_of_equalities_is_found() -> None:
    sql = (
        "SELECT h.co, h.no, (SELECT count(*) FROM l JOIN l AS m ON m.co = l.co AND m.no = l.no"
        " WHERE l.co = h.co AND l.no = h.no) AS n FROM h"
    )
    assert build(sql).leaves[2].root_link == (("co", "co"), ("no", "no"))


def test_a_link_of_another_type_or_with_two_ways_tells_nothing() -> None:
    assert build("SELECT h.co, h.no FROM h WHERE h.co NOT IN (SELECT l.amt FROM l)").leaves[1].root_link == ()
    sql = "SELECT r.cur, r.d, h.amt FROM r LEFT JOIN h ON h.cur = r.cur AND h.no::text = r.d::text"
    assert build(sql, ("cur", "d")).leaves[1].root_link == ()


def test_read_columns_are_those_the_text_reads_anywhere() -> None:
    sql = (
        "SELECT h.co, h.no, (SELECT json_agg(l.ln ORDER BY l.amt) FROM l WHERE l.co = h.co AND l.no = h.no) AS a FROM h"
        " JOIN c ON c.id = h.cust WHERE h.cur <> 'X' AND EXISTS (SELECT 1 FROM x WHERE x.id = c.parent)"
    )
    assert dict(build(sql).read_columns) == {
        table("h"): ("co", "no", "cust", "cur"),
        table("l"): ("co", "no", "ln", "amt"),
        table("c"): ("id", "parent"),
        table("x"): ("id",),
    }


def test_indexes_are_wanted_where_a_table_is_looked_up_by_something_else_than_its_key() -> None:
    assert build(INVOICE, ("co", "No")).required_indexes == ((table("h"), ("cust",)),)
    sql = "SELECT c.id, (SELECT sum(l.amt) FROM l WHERE l.item = c.id AND l.co = c.parent) AS s FROM c"
    assert (table("l"), ("item", "co")) in build(sql, ("id",)).required_indexes


def test_lineage_follows_derived_tables_and_sub_queries() -> None:
    outputs = {o.name: o.sources for o in build(INVOICE, ("co", "No")).outputs}
    assert outputs["customer"] == ((table("c"), "name"),)
    assert outputs["total"] == ((table("l"), "amt"),)
    assert outputs["lines"] == ((table("l"), "ln"),)


def test_the_version_changes_with_the_text() -> None:
    one, two = build("SELECT h.co, h.no FROM h"), build("SELECT h.co, h.no, h.amt FROM h")
    assert one.version != two.version
    assert one.version == build("SELECT h.co, h.no FROM h").version


def test_the_store_plans_every_statement_and_names_the_output_types(conn: psycopg.Connection[Any]) -> None:
    create_mirror(conn, LEDGER, ())
    mapping = build(INVOICE, ("co", "No"))
    prepare_all(conn, mapping, mirror_schema=MIRROR)
    assert describe(conn, mapping) == [
        ("co", "integer"), ("No", "integer"), ("customer", "text"), ("total", "bigint"), ("lines", "jsonb"),
    ]  # fmt: skip


def test_what_the_store_refuses_is_a_mapping_error(conn: psycopg.Connection[Any]) -> None:
    create_mirror(conn, LEDGER, ())
    with pytest.raises(MappingError, match="operator does not exist"):
        prepare_all(conn, build("SELECT h.co, h.no FROM h WHERE h.cur = h.amt"), mirror_schema=MIRROR)
    assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_store_that_goes_away_meanwhile_is_no_fault_of_the_mapping(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn) as mine, psycopg.connect(server.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (mine.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            prepare_all(mine, build("SELECT h.co, h.no FROM h"), mirror_schema=MIRROR)


def test_an_output_that_would_change_its_type_is_a_mapping_error(conn: psycopg.Connection[Any]) -> None:
    create_mirror(conn, LEDGER, ())
    mapping = build("SELECT h.co, h.no, date_part('year', h.cur::date) AS y FROM h")
    with pytest.raises(MappingError, match="another type"):
        prepare_all(conn, mapping, mirror_schema=MIRROR)
