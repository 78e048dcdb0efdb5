"""The shipped finance mappings, run as they are in the legacy database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL

from canonical import valuemap
from canonical.entities import ENTITIES
from cdc_config.loader import EXAMPLE, load_config
from sandbox.legacy.activity import Activity

CONFIG = load_config(EXAMPLE)
NAMES = sorted(CONFIG.mappings)


def _rows(conn: psycopg.Connection, name: str) -> Iterator[dict[str, Any]]:
    sql = SQL(CONFIG.mappings[name].sql.read_text())  # type: ignore[arg-type]
    return iter(conn.cursor(row_factory=dict_row).execute(sql).fetchall())


def _entities(conn: psycopg.Connection, name: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each row of the view, and the canonical entity it becomes after the value maps."""
    mapping = CONFIG.mappings[name]
    for row in _rows(conn, name):
        fields = {key: value for key, value in row.items() if not key.startswith(("key_", "ref_"))}
        state = valuemap.apply(fields, mapping.value_maps, CONFIG.value_maps).state
        yield row, ENTITIES[mapping.entity].model_validate(state)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_book_becomes_a_valid_entity(
    legacy: psycopg.Connection, new_database: str, name: str
) -> None:
    with Activity(new_database, seed=6) as activity:
        activity.steps(150)
    assert list(_entities(legacy, name))


@pytest.mark.parametrize("name", NAMES)
def test_the_key_outputs_are_the_roots_primary_key(legacy: psycopg.Connection, name: str) -> None:
    rows = list(_rows(legacy, name))
    keys = {tuple(row[key] for key in CONFIG.mappings[name].key) for row in rows}
    assert len(keys) == len(rows)
    assert all(key.startswith("key_") for key in CONFIG.mappings[name].key)
    assert all(None not in key for key in keys)


@pytest.mark.parametrize(
    ("name", "field", "referenced"),
    [
        ("finance.customer", "parent", "finance.customer"),
        ("finance.customer_account", "customer", "finance.customer"),
        ("finance.invoice", "customer", "finance.customer_account"),
        ("finance.payment", "customer", "finance.customer_account"),
    ],
)
def test_a_reference_is_the_key_of_what_it_names(
    legacy: psycopg.Connection, name: str, field: str, referenced: str
) -> None:
    key = CONFIG.mappings[referenced].key
    there = {tuple(str(row[k]).rstrip() for k in key) for row in _rows(legacy, referenced)}
    outputs = [f"ref_{field}__{n}" for n in range(1, len(key) + 1)]
    named = {tuple(row[o] for o in outputs) for row in _rows(legacy, name)} - {(None,) * len(key)}
    assert named
    assert named <= there


def test_allocations_run_along_with_their_references(legacy: psycopg.Connection) -> None:
    invoices = {(r["key_co_cd"].rstrip(), r["key_inv_no"].rstrip()) for r in _rows(legacy, "finance.invoice")}
    several = 0
    for row in _rows(legacy, "finance.payment"):
        named = [a["invoice"] for a in row["allocations"]]
        assert row["ref_allocations__invoice__2"] == named
        pairs = set(zip(row["ref_allocations__invoice__1"], named, strict=True))
        assert len(pairs) == len(named)
        assert pairs <= invoices
        several += len(named) > 1
    assert several


def test_codes_are_decoded_by_code_table_and_by_value_map(legacy: psycopg.Connection) -> None:
    customers = {row["external_number"]: entity for row, entity in _entities(legacy, "finance.customer")}
    assert {c.segment for c in customers.values()} >= {"Enterprise", "Small business", None}
    assert {c.country for c in customers.values()} >= {"DEU", "USA", None}
    accounts = [entity for _, entity in _entities(legacy, "finance.customer_account")]
    assert {a.payment_terms for a in accounts} == {"COD", "Net14", "Net30", "Net60", None}
    assert {i.status for _, i in _entities(legacy, "finance.invoice")} == {"draft", "posted", "void"}
    assert {p.method for _, p in _entities(legacy, "finance.payment")} == {"WIRE", "CHECK", "DEBIT", None}


def test_a_soft_deleted_row_is_no_entity(legacy: psycopg.Connection) -> None:
    gone = [
        r[0].rstrip() for r in legacy.execute("SELECT cust_no FROM fin.arcust WHERE del_flg = 'Y'").fetchall()
    ]
    assert gone
    for name in ("finance.customer", "finance.customer_account"):
        assert not set(gone) & {row["external_number"] for row in _rows(legacy, name)}


def test_totals_are_the_sums_of_their_lines(legacy: psycopg.Connection) -> None:
    for _, invoice in _entities(legacy, "finance.invoice"):
        assert invoice.net_total == sum(line.amount for line in invoice.lines)
        assert [line.line_number for line in invoice.lines] == sorted(
            line.line_number for line in invoice.lines
        )
