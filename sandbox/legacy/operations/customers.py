"""Customers and their accounts: edits, A→B→A, deletes and returns, renumbering, long notes, cycles of
parents."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sandbox.legacy.model import Book, Customer, Scenario, Statement
from sandbox.legacy.operations import values as v

_TOUCH = "upd_ts = localtimestamp"


def _set(column: str, value: object, number: str) -> Statement:
    return Statement(f"UPDATE fin.arcust SET {column} = %s, {_TOUCH} WHERE cust_no = %s", (value, number))


def edit(book: Book, rng: Random) -> Scenario | None:
    """One to three customers get a new name, city, segment, tax number, e-mail or active flag, in one
    transaction."""
    chosen = {c.number for c in (book.customer(rng, _any) for _ in range(rng.randint(1, 3))) if c}
    if not chosen:
        return None
    statements = [_one_edit(rng, number) for number in sorted(chosen)]
    if rng.random() < 0.2:
        log = "INSERT INTO fin.audlog (usr_id, act_cd, txt) VALUES ('MMUELLER', 'CHG', %s)"
        statements.append(Statement(log, (f"{len(chosen)} customers",)))
    return Scenario("customer_edit", [statements], chosen)


def _one_edit(rng: Random, number: str) -> Statement:
    choice = rng.randrange(7)
    if choice == 0:
        return _set("cty", v.city(rng), number)
    if choice == 1:
        return _set("seg_cd", rng.choice(v.SEGMENTS), number)
    if choice == 2:
        return _set("tax_no", f"T{rng.randrange(10**9):09d}" if rng.random() < 0.9 else None, number)
    if choice == 3:
        return _set("act_flg", rng.choice("YYN"), number)
    if choice == 4:
        return _set("eml", f"ap{rng.randrange(1000)}@customer.example", number)
    if choice == 5:
        return _set("fax_no", f"+49 {rng.randrange(10**6)}", number)
    return _set("nm", v.name(rng), number)


def aba(book: Book, rng: Random) -> Scenario | None:
    """A name goes A → B → A in three transactions (the A is written first, so that it is known)."""
    found = book.customer(rng, _any)
    if found is None:
        return None
    a, b = v.name(rng), v.name(rng)
    steps = [[_set("nm", name, found.number)] for name in (a, b, a)]
    return Scenario("customer_aba", steps, {found.number})


def new(book: Book, rng: Random) -> Scenario:
    """A customer with one or two accounts."""
    number = book.number("N", 8)
    parent = book.customer(rng, _any) if rng.random() < 0.3 else None
    companies = rng.sample(sorted(v.COMPANY_CURRENCY), rng.choice((1, 1, 2)))
    accounts = {c: "USD" if rng.random() < 0.15 else v.COMPANY_CURRENCY[c] for c in companies}
    statements = [
        Statement(
            "INSERT INTO fin.arcust (cust_no, prt_cust, nm, tax_no, eml, cty, ctry_cd, seg_cd, ins_dt)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                number,
                parent.number if parent else None,
                v.name(rng),
                f"T{rng.randrange(10**9):09d}",
                None,
                v.city(rng),
                rng.choice(v.COUNTRIES),
                rng.choice(v.SEGMENTS),
                v.today(rng),
            ),
        ),
        *(_insert_account(rng, company, number, currency) for company, currency in accounts.items()),
    ]

    def apply() -> None:
        known_parent = parent.number if parent else None
        book.customers[number] = Customer(number, known_parent, False, False, False, dict(accounts))
        if parent:
            parent.children = True

    return Scenario("customer_new", [statements], {number} | ({parent.number} if parent else set()), apply)


def _insert_account(rng: Random, company: str, number: str, currency: str) -> Statement:
    return Statement(
        "INSERT INTO fin.arcuco (co_cd, cust_no, trm_cd, cr_lim, cur, hld_flg)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            company,
            number,
            rng.choice(v.TERMS),
            1000 * rng.randrange(500),
            currency,
            rng.choice(("N", "N", "Y", None)),
        ),
    )


def delete(book: Book, rng: Random) -> Scenario | None:
    """A customer without documents goes, with its accounts: marked deleted, or gone."""
    found = book.customer(rng, _deletable)
    if found is None:
        return None
    gone, _ = _soft_delete(found.number) if rng.random() < 0.5 else _hard_delete(rng, found)

    def apply() -> None:
        del book.customers[found.number]

    return Scenario("customer_delete", [gone], {found.number}, apply)


def delete_and_return(book: Book, rng: Random) -> Scenario | None:
    """The same, and back again under the same number: in a later transaction, or at once in the same one."""
    found = book.customer(rng, _deletable)
    if found is None:
        return None
    soft = rng.random() < 0.5
    gone, back = _soft_delete(found.number) if soft else _hard_delete(rng, found)
    steps = [gone + back] if rng.random() < 0.3 else [gone, back]

    def apply() -> None:
        if not soft:
            found.parent = None

    return Scenario("customer_comes_back", steps, {found.number}, apply)


def _soft_delete(number: str) -> tuple[list[Statement], list[Statement]]:
    """Statements that mark a customer and its accounts deleted, and those that take the mark away."""

    def flag(value: str) -> list[Statement]:
        return [
            Statement(f"UPDATE fin.{table} SET del_flg = %s, {_TOUCH} WHERE cust_no = %s", (value, number))
            for table in ("arcuco", "arcust")
        ]

    return flag("Y"), flag(" ")


def _hard_delete(rng: Random, found: Customer) -> tuple[list[Statement], list[Statement]]:
    """Statements that delete the rows of a customer, and those that enter it anew under the same number."""
    number = found.number
    gone = [
        Statement(f"DELETE FROM fin.{table} WHERE cust_no = %s", (number,)) for table in ("arcuco", "arcust")
    ]
    gone.append(
        Statement("INSERT INTO fin.audlog (usr_id, act_cd, txt) VALUES ('MMUELLER', 'DEL', %s)", (number,))
    )
    insert = "INSERT INTO fin.arcust (cust_no, nm, ctry_cd, seg_cd, ins_dt) VALUES (%s, %s, %s, %s, %s)"
    row = (number, v.name(rng), rng.choice(v.COUNTRIES), rng.choice(v.SEGMENTS), v.today(rng))
    accounts = [_insert_account(rng, co, number, cur) for co, cur in sorted(found.accounts.items())]
    return gone, [Statement(insert, row), *accounts, _set("cty", v.city(rng), number)]


def renumber(book: Book, rng: Random) -> Scenario | None:
    """A customer gets a new number; everything that names it follows in the same transaction."""
    found = book.customer(rng, lambda c: _renumberable(book, c))
    return Scenario("customer_renumber", *_renumber(book, found)) if found else None


def _renumber(
    book: Book, found: Customer, before: list[list[Statement]] | None = None
) -> tuple[list[list[Statement]], set[str], Callable[[], None]]:
    old, fresh = found.number, book.number("R", 8)
    followers = [("arcuco", "cust_no"), ("arinvh", "cust_no"), ("arpay", "cust_no"), ("arcust", "prt_cust")]
    statements = [
        Statement(f"UPDATE fin.arcust SET cust_no = %s, {_TOUCH} WHERE cust_no = %s", (fresh, old)),
        *(
            Statement(f"UPDATE fin.{table} SET {column} = %s, {_TOUCH} WHERE {column} = %s", (fresh, old))
            for table, column in followers
        ),
        Statement("INSERT INTO fin.keyhis (tab_id, old_no, new_no) VALUES ('ARCUST', %s, %s)", (old, fresh)),
    ]
    documents = [i for i in book.invoices.values() if i.customer == old]
    paid = [p for p in book.payments.values() if p.customer == old]
    children = [c for c in book.customers.values() if c.parent == old]

    def apply() -> None:
        del book.customers[old]
        found.number = fresh
        book.customers[fresh] = found
        for invoice in documents:
            invoice.customer = fresh
        for payment in paid:
            payment.customer = fresh
        for child in children:
            child.parent = fresh

    touches = {
        old,
        fresh,
        *(f"{i.company}{i.number}" for i in documents),
        *(f"{p.company}{p.number}" for p in paid),
        *(c.number for c in children),
    }
    return [*(before or []), statements], touches, apply


def note(book: Book, rng: Random) -> Scenario | None:
    """A long note is written, then left alone by an edit, and sometimes by a renumbering: it is not sent
    again."""
    found = book.customer(rng, lambda c: _renumberable(book, c))
    if found is None:
        return None
    write, leave = _set("note_tx", v.long_text(rng), found.number), _set("cty", v.city(rng), found.number)
    steps = [[write, leave]] if rng.random() < 0.3 else [[write], [leave]]
    if rng.random() < 0.4:
        return Scenario("customer_note", *_renumber(book, found, steps))
    return Scenario("customer_note", steps, {found.number})


def cycle(book: Book, rng: Random) -> Scenario | None:
    """A customer becomes its own parent, or two become each other's; sometimes it is undone again."""
    first = book.customer(rng, _any)
    second = book.customer(rng, lambda c: c is not first) if rng.random() < 0.6 else first
    if first is None or second is None:
        return None
    tie = [_set("prt_cust", second.number, first.number)]
    if second is not first:
        tie.append(_set("prt_cust", first.number, second.number))
    undone = rng.random() < 0.3
    steps = [tie, [_set("prt_cust", None, first.number)]] if undone else [tie]

    def apply() -> None:
        second.parent, first.parent = first.number, None if undone else second.number
        first.children = second.children = True

    return Scenario("customer_cycle", steps, {first.number, second.number}, apply)


def account_edit(book: Book, rng: Random) -> Scenario | None:
    """Terms, credit limit or hold flag of one account."""
    found = book.customer(rng, lambda c: bool(c.accounts))
    if found is None:
        return None
    company = rng.choice(sorted(found.accounts))
    column, value = rng.choice(
        [
            ("trm_cd", rng.choice(v.TERMS)),
            ("cr_lim", v.price(rng) * 100),
            ("hld_flg", rng.choice("YN")),
            ("dun_lvl", 2),
        ]
    )
    sql = f"UPDATE fin.arcuco SET {column} = %s, {_TOUCH} WHERE co_cd = %s AND cust_no = %s"
    return Scenario("account_edit", [[Statement(sql, (value, company, found.number))]], {found.number})


def account_delete(book: Book, rng: Random) -> Scenario | None:
    """One of several accounts of a customer without documents is closed."""
    found = book.customer(rng, lambda c: len(c.accounts) > 1 and not c.documents)
    if found is None:
        return None
    company = rng.choice(sorted(found.accounts))
    sql = "DELETE FROM fin.arcuco WHERE co_cd = %s AND cust_no = %s"
    if rng.random() < 0.5:
        sql = f"UPDATE fin.arcuco SET del_flg = 'Y', {_TOUCH} WHERE co_cd = %s AND cust_no = %s"

    def apply() -> None:
        del found.accounts[company]

    return Scenario("account_delete", [[Statement(sql, (company, found.number))]], {found.number}, apply)


def _any(customer: Customer) -> bool:
    return bool(customer.accounts)


def _deletable(customer: Customer) -> bool:
    return not customer.documents and not customer.children and bool(customer.accounts)


def _renumberable(book: Book, customer: Customer) -> bool:
    """Everything in the working set that would follow is free, so that no open transaction holds it."""
    number = customer.number
    followers = [c.number for c in book.customers.values() if c.parent == number]
    followers += [f"{i.company}{i.number}" for i in book.invoices.values() if i.customer == number]
    followers += [f"{p.company}{p.number}" for p in book.payments.values() if p.customer == number]
    return not book.busy.intersection(followers)
