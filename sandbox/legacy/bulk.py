"""Bulk work: customers updated or inserted by the thousand for benches, and one huge transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import psycopg

from sandbox.legacy.statements import statements

Verb = Literal["update", "insert"]
_PROCEDURES: dict[Verb, str] = {"update": "fin_tool.update_customers", "insert": "fin_tool.insert_customers"}


@dataclass(frozen=True, slots=True)
class BulkTotals:
    """What was committed, and in how long."""

    transactions: int
    rows: int
    seconds: float


class Bulk:
    """Bulk changes of customers on one autocommit connection; keys are drawn uniformly from the living.

    Every update changes two mapped columns (name and city). Inserted customers have no account.
    """

    def __init__(self, conn: psycopg.Connection, seed: int = 1) -> None:
        if not conn.autocommit:
            raise ValueError("Bulk commits inside the server and needs a connection in autocommit mode")
        self._conn = conn
        self._named = statements("bulk")
        conn.execute(self._named["create"])
        conn.execute(self._named["read_keys"])
        conn.execute("SELECT setseed(%s)", ((seed % 1000) / 1000,))

    def change(self, verb: Verb, transactions: int, rows_each: int = 10) -> BulkTotals:
        """`transactions` of `rows_each` rows, as fast as the server commits them; one call, no traffic
        between."""
        begin = time.monotonic()
        rows = self._call(verb, transactions, rows_each, self._highest(verb))
        return BulkTotals(transactions, rows, time.monotonic() - begin)

    def at_rate(self, verb: Verb, rate: float, seconds: float, rows_each: int = 10) -> BulkTotals:
        """About `rate` rows per second for `seconds`, one transaction at a time at even distances."""
        highest = self._highest(verb)
        begin = time.monotonic()
        done = rows = 0
        while (now := time.monotonic() - begin) < seconds:
            due = (done + 1) * rows_each / rate
            if now < due:
                time.sleep(due - now)
            rows += self._call(verb, 1, rows_each, highest + done * rows_each)
            done += 1
        return BulkTotals(done, rows, time.monotonic() - begin)

    def _call(self, verb: Verb, transactions: int, rows_each: int, highest: int) -> int:
        call = f"CALL {_PROCEDURES[verb]}(%s::bigint, %s::int, %s::bigint, NULL)"
        row = self._conn.execute(call, (transactions, rows_each, highest)).fetchone()
        return int(row[0]) if row else 0

    def _highest(self, verb: Verb) -> int:
        if verb == "update":
            return 0
        row = self._conn.execute(self._named["highest"]).fetchone()
        return int(row[0]) if row else 0


def huge(conn: psycopg.Connection, rows: int = 500_000, *, unmapped: bool = False) -> int:
    """One transaction of `rows` row changes; returns how many it was.

    Customers' cities change again and again, pass after pass over the table, until there are enough; the
    last pass decides.
    unmapped: rows of the print queue instead, which reach no entity.
    """
    named = statements("bulk")
    done = 0
    with conn.transaction():
        if unmapped:
            row = conn.execute("SELECT coalesce(max(job_no), 0) FROM fin.wrkprt").fetchone()
            return conn.execute(
                named["huge_unmapped"], {"first": row[0] if row else 0, "rows": rows}
            ).rowcount
        while done < rows:
            parameters = {"city": f"Großstadt {done // 1000}", "rows": rows - done}
            changed = conn.execute(named["huge_update"], parameters).rowcount
            if not changed:
                raise ValueError("the book has no customers")
            done += changed
    return done
