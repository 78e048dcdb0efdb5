"""Posted invoices: posting, voiding, and what an accountant would never do but the old system allows."""

from __future__ import annotations

from random import Random

from sandbox.legacy.model import Book, Invoice, Scenario
from sandbox.legacy.operations import drafts


def _posted(invoice: Invoice) -> bool:
    return invoice.status == "P"


def _unpaid(invoice: Invoice) -> bool:
    return invoice.status == "P" and not invoice.allocated


def post(book: Book, rng: Random) -> Scenario | None:
    """A draft with lines is posted, sometimes with a last edit in the same transaction."""
    found = book.invoice(rng, lambda i: drafts.is_draft(i) and bool(i.lines))
    if found is None:
        return None
    last = [drafts.reprice(rng, found, found.lines[0]), drafts.total(found)] if rng.random() < 0.3 else []

    def apply() -> None:
        found.status = "P"

    return Scenario("post", [[*last, drafts.header(found, "sta_cd", "P")]], drafts.reserved(found), apply)


def post_and_void(book: Book, rng: Random) -> Scenario | None:
    """A draft is posted and voided: in two transactions, sometimes in one."""
    found = book.invoice(rng, lambda i: drafts.is_draft(i) and bool(i.lines))
    if found is None:
        return None
    posting, voiding = drafts.header(found, "sta_cd", "P"), drafts.header(found, "sta_cd", "V")
    steps = [[posting, voiding]] if rng.random() < 0.2 else [[posting], [voiding]]

    def apply() -> None:
        del book.invoices[found.key]

    return Scenario("post_and_void", steps, drafts.reserved(found), apply)


def void(book: Book, rng: Random) -> Scenario | None:
    """A posted invoice that nobody paid is voided."""
    found = book.invoice(rng, _unpaid)
    if found is None:
        return None

    def apply() -> None:
        del book.invoices[found.key]

    return Scenario("void", [[drafts.header(found, "sta_cd", "V")]], drafts.reserved(found), apply)


def fix(book: Book, rng: Random) -> Scenario | None:
    """Own rows of a posted invoice change: its lines and total, or its reference."""
    found = book.invoice(rng, _posted)
    if found is None:
        return None
    if rng.random() < 0.3:
        statement = drafts.header(found, "ref_tx", f"PO {rng.randrange(10_000)}", correction=True)
        return Scenario("posted_fix", [[statement]], drafts.reserved(found))
    statements, lines = drafts.change(rng, found)

    def apply() -> None:
        found.lines = lines

    return Scenario("posted_fix", [[*statements, drafts.total(found, True)]], drafts.reserved(found), apply)


def move(book: Book, rng: Random) -> Scenario | None:
    """A line moves between two posted invoices; often it is deleted there."""
    return drafts.moved(book, rng, "posted_move", _posted, correction=True)


def delete(book: Book, rng: Random) -> Scenario | None:
    """A posted invoice that nobody paid is marked deleted, or gone."""
    found = book.invoice(rng, _unpaid)
    if found is None:
        return None

    def apply() -> None:
        del book.invoices[found.key]

    return Scenario("posted_delete", [drafts.removal(rng, found)], drafts.reserved(found), apply)
