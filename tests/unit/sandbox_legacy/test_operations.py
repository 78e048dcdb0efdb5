"""What the generator plans, from its model alone."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.legacy.model import Book, Customer, Invoice, Payment, Scenario
from sandbox.legacy.operations import OPERATIONS


def _book() -> Book:
    book = Book()
    for n in range(12):
        accounts = {"DE01": "EUR", "US01": "USD"} if n % 3 == 0 else {"DE01": "EUR"}
        book.customers[f"C{n}"] = Customer(f"C{n}", None, n < 8, False, False, accounts)
    for n in range(16):
        invoice = Invoice("DE01", f"R25-{n}", f"C{n // 2}", "EUR", "DP"[n % 2], [1, 2, 3])
        book.invoices[invoice.key] = invoice
    for n in range(4):
        book.payments["DE01", f"Z{n}"] = Payment(
            "DE01", f"Z{n}", f"C{n}", "EUR", Decimal(50), {f"R25-{2 * n + 1}": Decimal(10)} if n % 2 else {}
        )
    return book


def _plans(book: Book, rng: Random, count: int) -> list[Scenario]:
    """Scenarios side by side: none has ended yet."""
    found = []
    for _ in range(count):
        scenario = OPERATIONS[rng.choice(sorted(OPERATIONS))][0](book, rng)
        if scenario is not None:
            assert not book.busy & scenario.touches, scenario.name
            book.busy |= scenario.touches
            found.append(scenario)
    return found


@given(seed=st.integers(0, 10_000))
def test_scenarios_side_by_side_never_touch_the_same_key(seed: int) -> None:
    assert _plans(_book(), Random(seed), 12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_same_seed_plans_the_same_statements(seed: int) -> None:
    first = [(s.name, s.transactions) for s in _plans(_book(), Random(seed), 8)]
    assert first == [(s.name, s.transactions) for s in _plans(_book(), Random(seed), 8)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_finds_work_in_an_ordinary_book(name: str) -> None:
    scenario = next(s for seed in range(50) if (s := OPERATIONS[name][0](_book(), Random(seed))))
    assert scenario.name == name
    assert all(scenario.transactions)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_without_work_says_so(name: str) -> None:
    if (
        name.startswith(("customer", "account", "draft", "post", "void", "payment"))
        and name != "customer_new"
    ):
        assert OPERATIONS[name][0](Book(), Random(1)) is None


def test_numbers_fit_the_erp() -> None:
    book, rng = _book(), Random(3)
    for name in ("customer_new", "customer_renumber", "draft_new", "draft_renumber", "payment_new"):
        for _ in range(5):
            scenario = OPERATIONS[name][0](book, rng)
            assert scenario is not None
            scenario.apply()
    assert max(map(len, book.customers)) <= 12
    assert max(len(number) for _, number in book.invoices) <= 14


def test_a_number_is_given_out_once() -> None:
    book = Book()
    assert [book.number("N", 8) for _ in range(3)] == ["N00000001", "N00000002", "N00000003"]
