"""Ownership: one rule wins, by a stated precedence, and no rule means held."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from canonical.ownership import (
    Decision,
    Groups,
    Held,
    Suppressed,
    compile_ownership,
    doubly_grouped,
    empty_periods,
    overlaps,
    resolve,
    rule_id,
)


@dataclass(frozen=True)
class R:
    object: str = "invoice"
    group: str = "*"
    scope: str = "*"
    owner: str = "finance"
    from_date: date | None = None
    to_date: date | None = None


@dataclass(frozen=True)
class Book:
    rules: tuple[R, ...]
    version: str = "v1"
    groups: Groups = field(default_factory=lambda: GROUPS)


GROUPS: Groups = {"invoice": {"header": ("currency", "customer"), "notes": ("note",)}}
FIELDS = ("currency", "customer", "note", "reference")
DAY = date(2025, 3, 1)
START = date(2025, 1, 1)

days = st.none() | st.integers(0, 12).map(lambda n: START + timedelta(days=n))
rules = st.builds(
    R,
    object=st.sampled_from(["invoice", "customer"]),
    group=st.sampled_from(["*", "header", "notes", "default"]),
    scope=st.sampled_from(["*", "US01", "DE01"]),
    owner=st.sampled_from(["finance", "erp", "frozen"]),
    from_date=days,
    to_date=days,
)
books = st.lists(rules, max_size=8).map(lambda found: Book(tuple(found)))


def owner(book: Book, field_name: str, legal_entity: str | None = "US01", day: date = DAY) -> str | None:
    answer = resolve(book, "invoice", field_name, legal_entity, day)
    return answer.owner if isinstance(answer, Decision) else None


def test_a_rule_for_a_named_legal_entity_beats_one_for_all() -> None:
    book = Book((R(owner="finance"), R(scope="US01", owner="erp")))
    assert (owner(book, "note"), owner(book, "note", "DE01")) == ("erp", "finance")


def test_a_rule_for_a_named_group_beats_one_for_all_groups() -> None:
    book = Book((R(group="header", owner="erp"), R(owner="finance")))
    assert (owner(book, "currency"), owner(book, "note")) == ("erp", "finance")


def test_the_legal_entity_counts_before_the_group() -> None:
    book = Book((R(group="header", owner="erp"), R(scope="US01", owner="finance")))
    assert (owner(book, "currency"), owner(book, "currency", "DE01")) == ("finance", "erp")


def test_no_rule_means_held() -> None:
    book = Book((R(scope="DE01"),))
    assert resolve(book, "invoice", "note", "US01", DAY) == Held("invoice", "note", "US01", "v1")


def test_a_global_master_is_covered_only_by_rules_for_all_scopes() -> None:
    assert owner(Book((R(scope="US01"),)), "note", None) is None
    assert owner(Book((R(),)), "note", None) == "finance"


def test_a_field_in_no_group_is_in_the_default_group() -> None:
    book = Book((R(group="default", owner="erp"),))
    assert (owner(book, "reference"), owner(book, "note")) == ("erp", None)


def test_dates_are_inclusive_at_the_start_and_exclusive_at_the_end() -> None:
    book = Book((R(from_date=date(2025, 1, 1), to_date=date(2025, 2, 1)),))
    assert owner(book, "note", day=date(2025, 1, 1)) == "finance"
    assert owner(book, "note", day=date(2025, 1, 31)) == "finance"
    assert owner(book, "note", day=date(2025, 2, 1)) is None
    assert owner(book, "note", day=date(2024, 12, 31)) is None


def test_a_decision_names_rule_and_version() -> None:
    decision = resolve(Book((R(scope="US01", from_date=START),)), "invoice", "note", "US01", DAY)
    assert isinstance(decision, Decision)
    assert decision.label == "invoice.*@US01[2025-01-01..]#v1"


def test_a_split_sorts_fields_into_owned_suppressed_and_held() -> None:
    book = Book((R(group="header"), R(group="notes", owner="erp")))
    split = compile_ownership(book, "finance").split("invoice", "US01", DAY, FIELDS)
    assert split.owned == ("currency", "customer")
    assert split.suppressed == (Suppressed("note", "erp", "invoice.notes@*"),)
    assert split.held == ("reference",)
    assert split.label == "invoice.header@*#v1"


def test_a_frozen_field_is_nobodys_to_change() -> None:
    split = compile_ownership(Book((R(owner="frozen"),)), "finance").split("invoice", "US01", DAY, ("note",))
    assert (split.owned, split.suppressed[0].owner) == ((), "frozen")


def test_a_commit_time_serves_as_business_date() -> None:
    ownership = compile_ownership(Book((R(from_date=DAY),)), "finance")
    assert ownership.split("invoice", None, datetime(2025, 3, 1, 9, tzinfo=UTC), ("note",)).owned == ("note",)


def test_a_field_in_two_groups_is_found() -> None:
    groups: Groups = {"invoice": {"a": ("note", "currency"), "b": ("note",)}}
    assert list(doubly_grouped(groups)) == [("invoice", "note", "a", "b")]


def test_a_rule_that_no_day_matches_is_found() -> None:
    assert list(empty_periods([R(), R(from_date=DAY, to_date=DAY), R(from_date=DAY)])) == [1]


@given(books, st.sampled_from(FIELDS), st.sampled_from([None, "US01", "DE01", "FR01"]), st.integers(-2, 14))
def test_a_split_says_for_every_field_what_resolve_says(
    book: Book, field_name: str, legal_entity: str | None, offset: int
) -> None:
    day = START + timedelta(days=offset)
    split = compile_ownership(book, "finance").split("invoice", legal_entity, day, (field_name,))
    answer = resolve(book, "invoice", field_name, legal_entity, day)
    if isinstance(answer, Held):
        assert split.held == (field_name,)
    elif answer.owner == "finance":
        assert (split.owned, split.label) == ((field_name,), answer.label)
    else:
        assert split.suppressed == (Suppressed(field_name, answer.owner, answer.rule),)


@given(books)
def test_rules_overlap_exactly_when_a_day_exists_on_which_both_could_win(book: Book) -> None:
    found = set(overlaps(book.rules))
    sampled = [START + timedelta(days=n) for n in range(-1, 14)]
    for i, a in enumerate(book.rules):
        for j, b in enumerate(book.rules[i + 1 :], i + 1):
            same = (a.object, a.group, a.scope) == (b.object, b.group, b.scope)
            both = same and any(_covers(a, day) and _covers(b, day) for day in sampled)
            assert ((i, j) in found) == both


@given(books, st.sampled_from(FIELDS), st.sampled_from([None, "US01"]), st.integers(-1, 13))
def test_without_overlaps_the_order_of_rules_does_not_matter(
    book: Book, field_name: str, legal_entity: str | None, offset: int
) -> None:
    if any(overlaps(book.rules)):
        return
    day = START + timedelta(days=offset)
    turned = Book(book.rules[::-1])
    assert resolve(book, "invoice", field_name, legal_entity, day) == resolve(
        turned, "invoice", field_name, legal_entity, day
    )


def test_a_batch_of_entities_is_split_in_microseconds_each() -> None:
    book = Book(tuple(R(scope=f"LE{n:03}", from_date=START + timedelta(days=n)) for n in range(200)))
    ownership = compile_ownership(book, "finance")
    asked = [(f"LE{n % 200:03}", START + timedelta(days=n % 40)) for n in range(8192)]
    for legal_entity, day in asked:
        ownership.split("invoice", legal_entity, day, FIELDS)
    started = time.perf_counter()
    for legal_entity, day in asked:
        ownership.split("invoice", legal_entity, day, FIELDS)
    # A generous bound: the machine may be busy, and a scan over 200 rules would cost a hundred times more.
    assert (time.perf_counter() - started) / len(asked) < 20e-6


def test_a_rules_name_tells_object_group_scope_and_dates() -> None:
    assert rule_id(R(group="header", to_date=DAY)) == "invoice.header@*[..2025-03-01]"


def _covers(rule: R, day: date) -> bool:
    return (rule.from_date is None or rule.from_date <= day) and (rule.to_date is None or day < rule.to_date)
