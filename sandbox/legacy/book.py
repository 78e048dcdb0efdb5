"""Create the legacy schema and load an initial book: the same seed and size give the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from sandbox.legacy.statements import script, statements

_STEPS = (
    "helpers", "companies", "periods", "codes", "terms", "customers", "accounts", "invoice_lines", "invoices",
    "allocations", "payments", "unmapped", "audit",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How big a book is; about ten rows follow from each customer."""

    customers: int
    invoices: int


SIZES: dict[str, Size] = {
    "tiny": Size(40, 40),  # for tests that look at every row
    "small": Size(200, 270),  # about 2,000 rows
    "medium": Size(10_000, 15_600),  # about 100,000 rows
    "large": Size(100_000, 156_000),  # about 1,000,000 rows
}


def create(conn: psycopg.Connection) -> None:
    """Create schema `fin`, dropping an earlier one."""
    with conn.transaction():
        conn.execute("DROP SCHEMA IF EXISTS fin, fin_tool CASCADE")
        conn.execute(script("schema"))


def load(conn: psycopg.Connection, *, seed: int = 1, size: str | Size = "small") -> dict[str, int]:
    """Fill an empty book in one transaction; returns rows by table."""
    wanted = SIZES[size] if isinstance(size, str) else size
    named = statements("load")
    with conn.transaction():
        conn.execute("SET LOCAL timezone = 'UTC'")
        # A parallel or reordered plan must not change what a seed means.
        conn.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        conn.execute(named["forget_helpers"])
        for step in _STEPS:
            conn.execute(_filled(named[step], wanted, seed))
    with conn.transaction():
        conn.execute("ANALYZE fin.arcust, fin.arcuco, fin.arinvh, fin.arinvl, fin.arpay, fin.aralloc")
        return {str(tab): int(n) for tab, n in conn.execute(named["counts"]).fetchall()}


def _filled(text: str, size: Size, seed: int) -> str:
    # Integers only, put in as text: a function body takes no parameters.
    numbers = {"{customers}": size.customers, "{invoices}": size.invoices, "{seed}": int(seed) % 1_000_000}
    for name, number in numbers.items():
        text = text.replace(name, str(number))
    return text
