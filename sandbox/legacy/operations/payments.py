"""Payments and their allocations to posted invoices; never more is allocated than was paid."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from sandbox.legacy.model import Book, Invoice, Payment, Scenario, Statement
from sandbox.legacy.operations import values as v
from sandbox.legacy.operations.drafts import reserved

_TOUCH = "upd_ts = localtimestamp"
_KEY = "co_cd = %s AND pay_no = %s"


def _posted(invoice: Invoice) -> bool:
    return invoice.status == "P"


def _reserved(payment: Payment) -> set[str]:
    return {f"{payment.company}{payment.number}", payment.customer}


def _allocation(rng: Random, payment: Payment, invoice: Invoice, amount: Decimal) -> Statement:
    return Statement(
        "INSERT INTO fin.aralloc (co_cd, pay_no, inv_no, al_am, al_dt) VALUES (%s, %s, %s, %s, %s)",
        (payment.company, payment.number, invoice.number, amount, v.today(rng)),
    )


def new(book: Book, rng: Random) -> Scenario | None:
    """Money comes in, allocated to one or two posted invoices of its customer, or to none yet."""
    first = book.invoice(rng, _posted)
    if first is None:
        return None
    alike = (first.company, first.customer, first.currency)
    second = book.invoice(
        rng, lambda i: _posted(i) and i is not first and (i.company, i.customer, i.currency) == alike
    )
    paid = {i.number: (i, v.price(rng)) for i in (first, second) if i is not None and rng.random() < 0.8}
    rest = v.price(rng) if not paid or rng.random() < 0.5 else Decimal(0)
    amount = sum((a for _, a in paid.values()), rest)
    payment = Payment(
        first.company,
        book.number("Y", 8),
        first.customer,
        first.currency,
        rest,
        {n: a for n, (_, a) in paid.items()},
    )
    statements = [
        Statement(
            "INSERT INTO fin.arpay (co_cd, pay_no, cust_no, pay_dt, cur, pay_am, mth_cd, ref_tx)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                payment.company,
                payment.number,
                payment.customer,
                v.today(rng),
                payment.currency,
                amount,
                rng.choice(("UE", "SC", "LS", None)),
                rng.choice((None, "", f"RE {rng.randrange(1000)}")),
            ),
        ),
        *(_allocation(rng, payment, invoice, part) for invoice, part in paid.values()),
    ]

    def apply() -> None:
        book.payments[payment.company, payment.number] = payment
        for invoice, _ in paid.values():
            invoice.allocated = True

    invoices = [invoice for invoice, _ in paid.values()]
    return Scenario("payment_new", [statements], _reserved(payment) | reserved(*invoices), apply)


def allocate(book: Book, rng: Random) -> Scenario | None:
    """What is left of a payment is set against one more invoice."""
    payment = book.payment(rng, lambda p: p.free > 0)
    if payment is None:
        return None
    invoice = book.invoice(
        rng,
        lambda i: (
            _posted(i) and i.number not in payment.invoices
            and (i.company, i.customer, i.currency) == (payment.company, payment.customer, payment.currency)
        ),
    )  # fmt: skip
    if invoice is None:
        return None
    amount = min(payment.free, v.price(rng))

    def apply() -> None:
        payment.free -= amount
        payment.invoices[invoice.number] = amount
        invoice.allocated = True

    statements = [_allocation(rng, payment, invoice, amount)]
    return Scenario("payment_allocate", [statements], _reserved(payment) | reserved(invoice), apply)


def release(book: Book, rng: Random) -> Scenario | None:
    """An allocation is taken back."""
    payment = book.payment(rng, lambda p: bool(p.invoices))
    if payment is None:
        return None
    number = rng.choice(sorted(payment.invoices))
    sql = f"DELETE FROM fin.aralloc WHERE {_KEY} AND inv_no = %s"

    def apply() -> None:
        payment.free += payment.invoices.pop(number)

    statement = Statement(sql, (payment.company, payment.number, number))
    return Scenario("payment_release", [[statement]], _reserved(payment), apply)


def fix(book: Book, rng: Random) -> Scenario | None:
    """A payment turns out to be larger than was entered."""
    payment = book.payment(rng, lambda _: True)
    if payment is None:
        return None
    more = v.price(rng)

    def apply() -> None:
        payment.free += more

    sql = f"UPDATE fin.arpay SET pay_am = pay_am + %s, {_TOUCH} WHERE {_KEY}"
    statement = Statement(sql, (more, payment.company, payment.number))
    return Scenario("payment_fix", [[statement]], _reserved(payment), apply)


def delete(book: Book, rng: Random) -> Scenario | None:
    """A payment that was entered by mistake goes, with its allocations."""
    payment = book.payment(rng, lambda _: True)
    if payment is None:
        return None
    key = (payment.company, payment.number)
    if rng.random() < 0.5:
        statements = [Statement(f"UPDATE fin.arpay SET del_flg = 'Y', {_TOUCH} WHERE {_KEY}", key)]
    else:
        statements = [
            Statement(f"DELETE FROM fin.{table} WHERE {_KEY}", key) for table in ("aralloc", "arpay")
        ]

    def apply() -> None:
        del book.payments[key]

    return Scenario("payment_delete", [statements], _reserved(payment), apply)
