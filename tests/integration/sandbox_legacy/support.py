"""Questions the tests put to a legacy database."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

TABLES = (
    "co",
    "glper",
    "cdtab",
    "trms",
    "arcust",
    "arcuco",
    "arinvh",
    "arinvl",
    "arpay",
    "aralloc",
    "wrkprt",
)
_PARTS = re.split(r"^-- name: (\w+)$", Path(__file__).with_name("invariants.sql").read_text(), flags=re.M)
INVARIANTS = dict(zip(_PARTS[1::2], _PARTS[2::2], strict=True))


def violations(conn: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every broken rule of the old system, with some rows that break it."""
    found = {name: conn.execute(sql).fetchmany(3) for name, sql in INVARIANTS.items()}
    return {name: rows for name, rows in found.items() if rows}


def contents(conn: psycopg.Connection) -> dict[str, str]:
    """A digest of every table's contents, audit timestamps aside."""
    return {table: _digest(conn, table) for table in TABLES}


def _digest(conn: psycopg.Connection, table: str) -> str:
    rows = f"SELECT (to_jsonb(t) - 'upd_ts' - 'chg_ts')::text AS x FROM fin.{table} AS t"
    row = conn.execute(f"SELECT md5(string_agg(x, '|' ORDER BY x)) FROM ({rows}) AS r").fetchone()
    return str(row[0]) if row else ""
