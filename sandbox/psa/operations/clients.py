"""Clients and consultants: made, edited, renumbered (engagements follow by their foreign key), deleted."""

from __future__ import annotations

from random import Random

from sandbox.planning import Scenario, Statement
from sandbox.psa import values as v
from sandbox.psa.book import client_number
from sandbox.psa.model import Book

TOUCH = "upd_ts = NOW(3)"


def new(book: Book, rng: Random) -> Scenario | None:
    """A client, its finance number as somebody typed it."""
    count = book.number("K")
    number = client_number(count)
    statement = Statement(
        "INSERT INTO cl (cl_no, fin_no, nm, cty, ctry, vip, ins_dt) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (number, v.finance_number(rng, count), v.company(rng), v.city(rng), rng.choice(v.COUNTRIES), rng.randrange(2),
         v.monday(rng)),
    )  # fmt: skip
    return Scenario("client_new", [[statement]], {number}, lambda: book.clients.add(number))


def _change(rng: Random, number: str) -> Statement:
    column, value = rng.choice(
        [("nm", v.company(rng)), ("cty", v.city(rng)), ("vip", rng.randrange(2)), ("note_tx", v.note(rng)),
         ("fin_no", v.finance_number(rng, rng.randrange(1, 400))), ("act_flg", rng.choice("YN"))]
    )  # fmt: skip
    return Statement(f"UPDATE cl SET {column} = %s, {TOUCH} WHERE cl_no = %s", (value, number))


def edit(book: Book, rng: Random) -> Scenario | None:
    """One or two columns change."""
    number = book.client(rng)
    if number is None:
        return None
    return Scenario("client_edit", [[_change(rng, number) for _ in range(rng.randint(1, 2))]], {number})


def aba(book: Book, rng: Random) -> Scenario | None:
    """A name goes A → B → A in three transactions."""
    number = book.client(rng)
    if number is None:
        return None
    a, b = v.company(rng), v.company(rng)
    steps = [[Statement(f"UPDATE cl SET nm = %s, {TOUCH} WHERE cl_no = %s", (name, number))] for name in (a, b, a)]
    return Scenario("client_aba", steps, {number})


def renumber(book: Book, rng: Random) -> Scenario | None:
    """A client gets another number; the database carries it into its engagements."""
    old = book.client(rng)
    if old is None:
        return None
    fresh = client_number(book.number("K"))

    def apply() -> None:
        book.clients = book.clients - {old} | {fresh}
        for engagement in book.engagements.values():
            if engagement.client == old:
                engagement.client = fresh

    statements = [
        Statement(f"UPDATE cl SET cl_no = %s, {TOUCH} WHERE cl_no = %s", (fresh, old)),
        Statement("INSERT INTO numhis (tab_cd, old_no, new_no) VALUES ('CL', %s, %s)", (old, fresh)),
    ]
    return Scenario("client_renumber", [statements], {old, fresh}, apply)


def delete(book: Book, rng: Random) -> Scenario | None:
    """A client without engagements goes."""
    used = {e.client for e in book.engagements.values()}
    number = book.client(rng, lambda c: c not in used)
    if number is None:
        return None
    statement = Statement("DELETE FROM cl WHERE cl_no = %s", (number,))
    return Scenario("client_delete", [[statement]], {number}, lambda: book.clients.discard(number))


def consultant_edit(book: Book, rng: Random) -> Scenario | None:
    """A consultant's grade or rate changes."""
    number = book.consultant(rng)
    if number is None:
        return None
    sql = f"UPDATE cn SET grd_cd = %s, std_rt = %s, {TOUCH} WHERE cn_no = %s"
    return Scenario("consultant_edit", [[Statement(sql, (rng.choice(v.GRADES), v.rate(rng), number))]], {number})
