"""What the generator knows of the book: keys and states of a working set, enough to plan valid transactions.

Plans are made from this model and a seeded random source alone, so the same book and seed give the same
transactions.
Every scenario reserves the keys it touches until it ends: scenarios in different open transactions never
wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import psycopg

from sandbox.legacy.statements import statements
from sandbox.planning import Scenario as Scenario
from sandbox.planning import Statement as Statement
from sandbox.planning import nothing as nothing
from sandbox.planning import pick

InvoiceKey = tuple[str, str]  # company, invoice number


@dataclass(slots=True)
class Customer:
    """A customer and its accounts (company → currency). `documents`: it has invoices or payments."""

    number: str
    parent: str | None
    documents: bool
    deleted: bool
    children: bool  # someone outside the working set may name it as parent
    accounts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Invoice:
    """An invoice, its line numbers and whether payments are allocated to it."""

    company: str
    number: str
    customer: str
    currency: str
    status: str
    lines: list[int]
    allocated: bool = False

    @property
    def key(self) -> InvoiceKey:
        """Primary key."""
        return (self.company, self.number)


@dataclass(slots=True)
class Payment:
    """A payment, what of it is not allocated yet, and the invoices it pays."""

    company: str
    number: str
    customer: str
    currency: str
    free: Decimal
    invoices: dict[str, Decimal]


class Book:
    """The working set, and the counters that number what is new."""

    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}
        self.invoices: dict[InvoiceKey, Invoice] = {}
        self.payments: dict[tuple[str, str], Payment] = {}
        self.busy: set[str] = set()
        self._counters: dict[str, int] = {}

    def number(self, prefix: str, width: int) -> str:
        """The next number of a series, never given out before."""
        self._counters[prefix] = self._counters.get(prefix, 0) + 1
        return f"{prefix}{self._counters[prefix]:0{width}d}"

    def customer(self, rng: Random, want: Callable[[Customer], bool]) -> Customer | None:
        """A free customer that fulfils `want`; None when there is none."""
        return pick(
            rng, self.customers.values(), lambda c: c.number not in self.busy and not c.deleted and want(c)
        )

    def invoice(self, rng: Random, want: Callable[[Invoice], bool]) -> Invoice | None:
        """A free invoice that fulfils `want`, of a customer that is free too."""
        return pick(
            rng,
            self.invoices.values(),
            lambda i: f"{i.company}{i.number}" not in self.busy and i.customer not in self.busy and want(i),
        )

    def payment(self, rng: Random, want: Callable[[Payment], bool]) -> Payment | None:
        """A free payment that fulfils `want`."""
        return pick(
            rng,
            self.payments.values(),
            lambda p: f"{p.company}{p.number}" not in self.busy and p.customer not in self.busy and want(p),
        )

    @classmethod
    def read(cls, conn: psycopg.Connection, seed: int, limit: int = 2000) -> Book:
        """Read a working set of at most `limit` customers, with up to 3 × `limit` of their invoices and
        payments."""
        book = cls()
        named = statements("working_set")
        for number, parent, documents, deleted, children in conn.execute(
            named["customers"], {"seed": str(seed), "limit": limit}
        ).fetchall():
            book.customers[number] = Customer(number, parent, documents, deleted, children)
        chosen = {"customers": list(book.customers), "limit": 3 * limit}
        for company, customer, currency in conn.execute(named["accounts"], chosen).fetchall():
            book.customers[customer].accounts[company] = currency
        for company, number, customer, currency, status, lines, allocated in conn.execute(
            named["invoices"], chosen
        ).fetchall():
            invoice = Invoice(company, number, customer, currency, status, list(lines), allocated)
            book.invoices[invoice.key] = invoice
        for company, number, customer, currency, free, numbers, amounts in conn.execute(
            named["payments"], chosen
        ).fetchall():
            paid = dict(zip(numbers, amounts, strict=True))
            book.payments[company, number] = Payment(company, number, customer, currency, free, paid)
        for prefix, highest in conn.execute(named["counters"]).fetchall():
            book._counters[prefix] = highest
        return book
