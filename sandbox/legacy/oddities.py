"""Values that no set survives, on demand, and their cure.

PostgreSQL keeps no NUL in a text; what it does keep and a business system does not: an infinite date, a
number that is
not one, and texts full of controls and marks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psycopg

Kind = Literal["infinite_date", "nan", "unicode"]
KINDS: tuple[Kind, ...] = ("infinite_date", "nan", "unicode")
ODD_TEXT = "\u202eevil\u202c Ünï\u0301\u200d👩‍👩‍👧 \ufffd\u0001\u007f\ufeff\u2028 end"


@dataclass(frozen=True, slots=True)
class Oddity:
    """One poisoned row: its table, its primary key values, and what it held before."""

    kind: Kind
    table: str
    key: tuple[str, ...]
    before: object


def poison(conn: psycopg.Connection, kind: Kind, *, skip: int = 0) -> Oddity:
    """Make one existing row unbearable, in one transaction; `skip` chooses another row than the first."""
    with conn.transaction():
        oddity = _TARGETS[kind](conn, skip)
        _write(conn, oddity, {"infinite_date": "infinity", "nan": "NaN", "unicode": ODD_TEXT}[kind])
    return oddity


def cure(conn: psycopg.Connection, oddity: Oddity) -> None:
    """Put back what the row held before."""
    with conn.transaction():
        _write(conn, oddity, oddity.before)


def _write(conn: psycopg.Connection, oddity: Oddity, value: object) -> None:
    column, keys = {
        "infinite_date": ("due_dt", "co_cd = %s AND inv_no = %s"),
        "nan": ("cr_lim", "co_cd = %s AND cust_no = %s"),
        "unicode": ("nm", "cust_no = %s"),
    }[oddity.kind]
    sql = f"UPDATE {oddity.table} SET {column} = %s, upd_ts = localtimestamp WHERE {keys}"
    conn.execute(sql, (value, *oddity.key))


def _draft(conn: psycopg.Connection, skip: int) -> Oddity:
    row = _row(
        conn,
        "SELECT rtrim(co_cd), rtrim(inv_no), due_dt FROM fin.arinvh WHERE sta_cd = 'D' AND isfinite(due_dt)"
        " AND coalesce(del_flg, ' ') <> 'Y' ORDER BY co_cd, inv_no OFFSET %s LIMIT 1",
        skip,
    )
    return Oddity("infinite_date", "fin.arinvh", (str(row[0]), str(row[1])), row[2])


def _account(conn: psycopg.Connection, skip: int) -> Oddity:
    row = _row(
        conn,
        "SELECT rtrim(co_cd), rtrim(cust_no), cr_lim FROM fin.arcuco WHERE coalesce(del_flg, ' ') <> 'Y'"
        " AND cr_lim IS DISTINCT FROM 'NaN' ORDER BY co_cd, cust_no OFFSET %s LIMIT 1",
        skip,
    )
    return Oddity("nan", "fin.arcuco", (str(row[0]), str(row[1])), row[2])


def _customer(conn: psycopg.Connection, skip: int) -> Oddity:
    row = _row(
        conn,
        "SELECT rtrim(cust_no), rtrim(nm) FROM fin.arcust WHERE coalesce(del_flg, ' ') <> 'Y'"
        " ORDER BY cust_no OFFSET %s LIMIT 1",
        skip,
    )
    return Oddity("unicode", "fin.arcust", (str(row[0]),), row[1])


def _row(conn: psycopg.Connection, sql: str, skip: int) -> tuple[object, ...]:
    row = conn.execute(sql, (skip,)).fetchone()
    if row is None:
        raise ValueError("the book has no row to poison")
    return tuple(row)


_TARGETS: dict[Kind, Callable[[psycopg.Connection, int], Oddity]] = {
    "infinite_date": _draft,
    "nan": _account,
    "unicode": _customer,
}
