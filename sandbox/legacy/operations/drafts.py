"""Draft invoices: made with their lines in one transaction, edited, lines moved, renumbered, deleted,
brought back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from sandbox.legacy.model import Book, Invoice, Scenario, Statement
from sandbox.legacy.operations import values as v

_TOUCH = "upd_ts = localtimestamp"
_KEY = "co_cd = %s AND inv_no = %s"


def total(invoice: Invoice, correction: bool = False) -> Statement:
    """Bring the header's total up to the lines; `correction` counts one for the auditors."""
    counted = ", cor_cnt = coalesce(cor_cnt, 0) + 1" if correction else ""
    return Statement(
        f"UPDATE fin.arinvh AS h SET tot_am = (SELECT coalesce(sum(l.am), 0) FROM fin.arinvl AS l"
        f" WHERE l.co_cd = h.co_cd AND l.inv_no = h.inv_no), {_TOUCH}{counted} WHERE {_KEY}",
        invoice.key,
    )


def header(invoice: Invoice, column: str, value: object, correction: bool = False) -> Statement:
    """Set one column of the header."""
    counted = ", cor_cnt = coalesce(cor_cnt, 0) + 1" if correction else ""
    return Statement(
        f"UPDATE fin.arinvh SET {column} = %s, {_TOUCH}{counted} WHERE {_KEY}", (value, *invoice.key)
    )


def insert_line(rng: Random, invoice: Invoice, number: int) -> Statement:
    """A new line."""
    qty, price = v.quantity(rng), v.price(rng)
    return Statement(
        "INSERT INTO fin.arinvl (co_cd, inv_no, ln_no, itm_cd, dsc_tx, qty, prc, am)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (*invoice.key, number, v.item(rng), v.work(rng), qty, price, v.amount_of(qty, price)),
    )


def reprice(rng: Random, invoice: Invoice, number: int) -> Statement:
    """A line gets another quantity and price."""
    qty, price = v.quantity(rng), v.price(rng)
    return Statement(
        f"UPDATE fin.arinvl SET qty = %s, prc = %s, am = %s, {_TOUCH} WHERE {_KEY} AND ln_no = %s",
        (qty, price, v.amount_of(qty, price), *invoice.key, number),
    )


def delete_line(invoice: Invoice, number: int) -> Statement:
    """A line goes."""
    return Statement(f"DELETE FROM fin.arinvl WHERE {_KEY} AND ln_no = %s", (*invoice.key, number))


def move_line(source: Invoice, target: Invoice, number: int, new_number: int) -> Statement:
    """A line changes its header."""
    return Statement(
        f"UPDATE fin.arinvl SET inv_no = %s, ln_no = %s, {_TOUCH} WHERE {_KEY} AND ln_no = %s",
        (target.number, new_number, *source.key, number),
    )


def reserved(*invoices: Invoice) -> set[str]:
    """The keys a scenario about these invoices reserves; the customer too, lest it is renumbered
    meanwhile."""
    return {f"{i.company}{i.number}" for i in invoices} | {i.customer for i in invoices}


def is_draft(invoice: Invoice) -> bool:
    """Not posted yet."""
    return invoice.status == "D"


def new(book: Book, rng: Random) -> Scenario | None:
    """A draft with one to six lines, header first with its final total."""
    customer = book.customer(rng, lambda c: bool(c.accounts))
    if customer is None:
        return None
    company = rng.choice(sorted(customer.accounts))
    lines = list(range(1, rng.randint(2, 7)))
    invoice = Invoice(
        company, book.number("R26-", 7), customer.number, customer.accounts[company], "D", lines
    )

    def apply() -> None:
        customer.documents = True
        book.invoices[invoice.key] = invoice

    statements = [insert_header(rng, invoice), *(insert_line(rng, invoice, n) for n in lines), total(invoice)]
    return Scenario("draft_new", [statements], reserved(invoice), apply)


def insert_header(rng: Random, invoice: Invoice) -> Statement:
    """A header with total 0, to be brought up to its lines."""
    day = v.today(rng)
    return Statement(
        "INSERT INTO fin.arinvh (co_cd, inv_no, cust_no, inv_dt, due_dt, cur, sta_cd, tot_am, ref_tx)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'D', 0, %s)",
        (
            *invoice.key,
            invoice.customer,
            day,
            day + timedelta(days=rng.choice((0, 14, 30, 60))),
            invoice.currency,
            rng.choice((None, "", f"PO {rng.randrange(10_000)}")),
        ),
    )


def change(rng: Random, invoice: Invoice) -> tuple[list[Statement], list[int]]:
    """Statements for one to three changes of lines, and the line numbers afterwards. Totals are the
    caller's."""
    lines, statements = list(invoice.lines), []
    for _ in range(rng.randint(1, 3)):
        choice = rng.random()
        if choice < 0.3 and (not lines or max(lines) < 900):
            lines.append(max([*lines, *invoice.lines], default=0) + 1)
            statements.append(insert_line(rng, invoice, lines[-1]))
        elif choice < 0.45 and len(lines) > 1:
            statements.append(delete_line(invoice, lines.pop(rng.randrange(len(lines)))))
        elif lines:
            statements.append(reprice(rng, invoice, rng.choice(lines)))
    return statements, lines


def edit(book: Book, rng: Random) -> Scenario | None:
    """Lines are added, dropped or repriced, or a header field changes."""
    found = book.invoice(rng, is_draft)
    if found is None:
        return None
    if rng.random() < 0.25:
        statement = header(found, "ref_tx", f"PO {rng.randrange(10_000)}")
        return Scenario("draft_edit", [[statement]], reserved(found))
    statements, lines = change(rng, found)

    def apply() -> None:
        found.lines = lines

    return Scenario("draft_edit", [[*statements, total(found)]], reserved(found), apply)


def aba(book: Book, rng: Random) -> Scenario | None:
    """A line's price goes A → B → A in three transactions, the total with it."""
    found = book.invoice(rng, lambda i: is_draft(i) and bool(i.lines))
    if found is None:
        return None
    line = rng.choice(found.lines)
    a, b = reprice(rng, found, line), reprice(rng, found, line)
    return Scenario("draft_aba", [[s, total(found)] for s in (a, b, a)], reserved(found))


def move(book: Book, rng: Random) -> Scenario | None:
    """A line moves to another draft; often it is deleted there, in the same or the next transaction."""
    return moved(book, rng, "draft_move", is_draft, correction=False)


def moved(
    book: Book, rng: Random, label: str, fits: Callable[[Invoice], bool], *, correction: bool
) -> Scenario | None:
    """Move a line between two invoices of one company and currency that both fulfil `fits`."""
    source = book.invoice(rng, lambda i: fits(i) and len(i.lines) > 1)
    if source is None:
        return None
    target = book.invoice(
        rng,
        lambda i: (
            fits(i) and i is not source and (i.company, i.currency) == (source.company, source.currency)
        ),
    )
    if target is None:
        return None
    line, number = rng.choice(source.lines), max(target.lines, default=0) + 1
    go = [move_line(source, target, line, number), total(source, correction), total(target, correction)]
    drop = [delete_line(target, number), total(target, correction)]
    fate = rng.randrange(3)
    steps = [[go, drop], [go], [[*go, *drop]]][fate]

    def apply() -> None:
        source.lines.remove(line)
        if fate == 1:
            target.lines.append(number)

    return Scenario(label, steps, reserved(source, target), apply)


def removal(rng: Random, invoice: Invoice) -> list[Statement]:
    """Mark an invoice deleted, or delete it with its lines."""
    if rng.random() < 0.5:
        return [header(invoice, "del_flg", "Y")]
    return [Statement(f"DELETE FROM fin.{table} WHERE {_KEY}", invoice.key) for table in ("arinvl", "arinvh")]


def delete(book: Book, rng: Random) -> Scenario | None:
    """A draft goes."""
    found = book.invoice(rng, is_draft)
    if found is None:
        return None

    def apply() -> None:
        del book.invoices[found.key]

    return Scenario("draft_delete", [removal(rng, found)], reserved(found), apply)


def delete_and_return(book: Book, rng: Random) -> Scenario | None:
    """A draft is deleted, and entered again under its number: later, or in the same transaction."""
    found = book.invoice(rng, is_draft)
    if found is None:
        return None
    gone = [Statement(f"DELETE FROM fin.{table} WHERE {_KEY}", found.key) for table in ("arinvh", "arinvl")]
    back = [insert_header(rng, found), *(insert_line(rng, found, n) for n in (1, 2)), total(found)]
    steps = [gone + back] if rng.random() < 0.4 else [gone, back]

    def apply() -> None:
        found.lines = [1, 2]

    return Scenario("draft_comes_back", steps, reserved(found), apply)


def renumber(book: Book, rng: Random) -> Scenario | None:
    """A draft gets another number; its lines follow in the same transaction."""
    found = book.invoice(rng, is_draft)
    return Scenario("draft_renumber", *_renumber(book, found)) if found else None


def _renumber(
    book: Book, found: Invoice, before: list[list[Statement]] | None = None
) -> tuple[list[list[Statement]], set[str], Callable[[], None]]:
    old, fresh = found.key, book.number("R27-", 7)
    statements = [
        *(
            Statement(f"UPDATE fin.{table} SET inv_no = %s, {_TOUCH} WHERE {_KEY}", (fresh, *old))
            for table in ("arinvh", "arinvl")
        ),
        Statement(
            "INSERT INTO fin.keyhis (tab_id, co_cd, old_no, new_no) VALUES ('ARINVH', %s, %s, %s)",
            (*old, fresh),
        ),
    ]

    def apply() -> None:
        del book.invoices[old]
        found.number = fresh
        book.invoices[found.key] = found

    return [*(before or []), statements], reserved(found) | {f"{found.company}{fresh}"}, apply


def note(book: Book, rng: Random) -> Scenario | None:
    """A long note is written and then left alone by an edit of the header, sometimes by a renumbering."""
    found = book.invoice(rng, is_draft)
    if found is None:
        return None
    write, leave = (
        header(found, "note_tx", v.long_text(rng)),
        header(found, "ref_tx", f"PO {rng.randrange(10_000)}"),
    )
    steps = [[write], [leave]]
    if rng.random() < 0.5:
        return Scenario("draft_note", *_renumber(book, found, steps))
    return Scenario("draft_note", steps, reserved(found))
