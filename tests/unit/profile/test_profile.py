"""What a profile means for values: fitting, native bodies, and back."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.commands import Action, Found
from agent.profile import (
    NotFitting,
    canonicalise,
    changed_children,
    changed_fields,
    digest,
    marker_of,
    native_document,
    native_fields,
    normalise,
    render_external_key,
    reversal_of,
    server_external_key,
)
from cdc_config.loader import load_profile
from cdc_config.profile import FieldProfile, ObjectProfile, Protection

PROFILE = load_profile("d365fo")
LE = {"US01": "usmf", "DE01": "demf"}

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
money = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12)
fine = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12)
days = st.dates(date(1990, 1, 1), date(2090, 1, 1)).map(lambda day: day.isoformat())
codes = st.text("abcDEF0123", min_size=1, max_size=3)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CUSTOMERS = st.fixed_dictionaries(
    {"name": words},
    optional={
        "tax_number": optional(codes),
        "parent": optional(codes),
        "country": optional(codes),
        "note": optional(words),
        "active": st.booleans(),
    },
)
ACCOUNTS = st.fixed_dictionaries(
    {"customer": codes, "currency": codes, "credit_limit": optional(money), "on_hold": st.booleans()}
)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "line_number": st.integers(1, 50),
            "description": optional(words),
            "quantity": fine,
            "unit_price": fine,
            "amount": money,
            "service_item": optional(codes),
        }
    ),
    max_size=5,
    unique_by=lambda line: line["line_number"],
)
INVOICES = st.fixed_dictionaries(
    {"customer": codes, "invoice_date": days, "currency": codes, "net_total": money, "lines": LINES},
    optional={"due_date": optional(days), "reference": optional(words)},
)
PAYMENTS = st.fixed_dictionaries(
    {
        "legal_entity": st.sampled_from(sorted(LE)),
        "customer": codes,
        "payment_date": days,
        "amount": money,
        "allocations": st.lists(
            st.fixed_dictionaries({"invoice": codes, "amount": money}),
            max_size=4,
            unique_by=lambda line: str(line["invoice"]).upper(),
        ),
    }
)
CASES = [
    ("customer", CUSTOMERS),
    ("customer_account", ACCOUNTS),
    ("invoice", INVOICES),
    ("payment", PAYMENTS),
]


@given(st.data(), st.sampled_from(CASES))
def test_normalising_twice_changes_nothing(data: st.DataObject, case: tuple[str, Any]) -> None:
    name, values = case
    once = normalise(PROFILE.objects[name], data.draw(values))
    assert normalise(PROFILE.objects[name], once) == once
    assert digest(normalise(PROFILE.objects[name], once)) == digest(once)


@given(st.data(), st.sampled_from(CASES))
def test_what_was_sent_reads_back_as_what_was_wanted(data: st.DataObject, case: tuple[str, Any]) -> None:
    name, values = case
    obj = PROFILE.objects[name]
    wanted = normalise(obj, data.draw(values))
    key = render_external_key(obj, {"external_number": "x1", "legal_entity": "US01"}, LE)
    body = {**native_fields(obj, wanted, LE)}
    assert obj.children is None or obj.children.field in wanted
    document = native_document(obj, key, wanted, LE)
    if obj.children is not None:
        inline = document.body.get(obj.children.navigation) or []
        body["lines"] = [*inline, *(child.body for child in document.children)]
    held = {k: _as_answered(v) for k, v in body.items()}
    assert canonicalise(obj, Found(key, None, None, "live", held), LE) == wanted


def _as_answered(value: Any) -> Any:
    """The target answers dates with a time and nulls of texts as empty texts."""
    if isinstance(value, list):
        return [{k: _as_answered(v) for k, v in item.items()} for item in value]
    if isinstance(value, str) and len(value) == 10 and value[4:5] == "-" and value[7:8] == "-":
        return value + "T12:00:00Z"
    return value


@given(INVOICES, INVOICES)
def test_the_changed_lines_make_one_document_out_of_the_other(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    obj = PROFILE.objects["invoice"]
    before, after = normalise(obj, old), normalise(obj, new)
    key = {"dataAreaId": "usmf", "InvoiceNumber": "X1"}
    held = {c.body["LineNumber"]: dict(c.body) for c in native_document(obj, key, before, LE).children}
    for change in changed_children(obj, key, before["lines"], after["lines"]):
        number = change.external_key["LineNumber"]
        if change.action is Action.DELETE:
            del held[number]
        elif change.action is Action.CREATE:
            assert number not in held
            held[number] = dict(change.body)
        else:
            held[number].update(change.body)
    native = {**native_fields(obj, after, LE), "lines": list(held.values())}
    assert canonicalise(obj, Found(key, None, None, "draft", native), LE)["lines"] == after["lines"]
    assert changed_children(obj, key, after["lines"], after["lines"]) == ()
    assert changed_fields(obj, after, after) == {}


def test_a_changed_settlement_is_deleted_and_made_anew_because_it_cannot_be_patched() -> None:
    obj = PROFILE.objects["payment"]
    key = server_external_key(obj, {"legal_entity": "US01"}, LE, "CPJ-1")
    assert key == {"dataAreaId": "usmf", "JournalNumber": "CPJ-1"}
    old = [{"invoice": "I1", "amount": Decimal("1.00")}, {"invoice": "I2", "amount": Decimal("2.00")}]
    new = [{"invoice": "I1", "amount": Decimal("3.00")}, {"invoice": "I2", "amount": Decimal("2.00")}]
    changes = changed_children(obj, key, old, new)
    assert [(c.action, c.external_key["InvoiceNumber"]) for c in changes] == [
        (Action.DELETE, "I1"),
        (Action.CREATE, "I1"),
    ]
    assert changes[1].body == {**key, "InvoiceNumber": "I1", "SettledAmount": Decimal("3.00")}


@pytest.mark.parametrize(
    ("name", "field", "value", "code"),
    [
        ("customer", "name", "x" * 101, "too_long"),
        ("customer", "name", "😀" * 51, "too_long"),
        ("customer", "name", "a\x00b", "wrong_type"),
        ("customer", "name", 5, "wrong_type"),
        ("customer", "active", "yes", "wrong_type"),
        ("customer_account", "credit_limit", Decimal("1.005"), "too_many_decimals"),
        ("customer_account", "credit_limit", Decimal("1E13"), "too_large"),
        ("customer_account", "credit_limit", Decimal("NaN"), "wrong_type"),
        ("customer_account", "credit_limit", 1.5, "wrong_type"),
        ("invoice", "invoice_date", "2024-02-30", "wrong_type"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_never_cut(
    name: str, field: str, value: Any, code: str
) -> None:
    with pytest.raises(NotFitting) as caught:
        normalise(PROFILE.objects[name], {field: value})
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.remedy
    assert len(str(caught.value)) < 400


def test_a_line_that_does_not_fit_says_which_line() -> None:
    lines = [{"line_number": 1, "quantity": 1}, {"line_number": 2, "quantity": "many"}]
    with pytest.raises(NotFitting, match=r"lines\[2\], field quantity"):
        normalise(PROFILE.objects["invoice"], {"lines": lines})


def test_two_lines_with_one_key_are_refused() -> None:
    with pytest.raises(NotFitting) as caught:
        normalise(PROFILE.objects["invoice"], {"lines": [{"line_number": 1}, {"line_number": 1}]})
    assert caught.value.code == "duplicate_line"


def test_nulls_are_cleared_as_the_profile_says() -> None:
    account = PROFILE.objects["customer_account"]
    wanted = normalise(account, {"credit_limit": None, "payment_terms": None, "on_hold": None})
    assert wanted == {"credit_limit": 0, "payment_terms": None}
    assert native_fields(account, wanted, LE) == {"CreditLimit": 0, "PaymentTermsName": ""}


def test_codes_are_translated_and_an_unknown_one_is_refused() -> None:
    status = FieldProfile(native="Status", values={"a": "1", "b": "2", "c": "1"})
    obj = ObjectProfile(entity_set="S", key={}, protection=Protection(key=True), fields={"status": status})
    assert native_fields(obj, normalise(obj, {"status": "c"}), {}) == {"Status": "1"}
    assert canonicalise(obj, Found({}, None, None, "live", {"Status": "2"}), {}) == {"status": "b"}
    with pytest.raises(NotFitting) as caught:
        normalise(obj, {"status": "x"})
    assert caught.value.code == "mapping_missing"


def test_external_keys_come_from_the_templates() -> None:
    invoice = PROFILE.objects["invoice"]
    wanted = {"external_number": "inv-7", "legal_entity": "US01"}
    assert render_external_key(invoice, wanted, LE, "-R1") == {
        "dataAreaId": "usmf",
        "InvoiceNumber": "INV-7-R1",
    }
    assert render_external_key(PROFILE.objects["payment"], wanted, LE) == {}
    for bad, code in (
        ({"external_number": "x"}, "key_missing"),
        ({"external_number": "x" * 21, "legal_entity": "US01"}, "too_long"),
        ({"external_number": "x", "legal_entity": "XX"}, "mapping_missing"),
    ):
        with pytest.raises(NotFitting) as caught:
            render_external_key(invoice, bad, LE)
        assert caught.value.code == code


def test_a_create_carries_marker_load_flag_and_link_to_what_it_corrects() -> None:
    invoice, payment = PROFILE.objects["invoice"], PROFILE.objects["payment"]
    total = {"net_total": Decimal("-5.00"), "due_date": None}
    reversal = native_document(
        invoice, {"InvoiceNumber": "I1-R1"}, total, LE, reversal=True, corrects={"a": "usmf", "n": "I1"}
    )
    assert reversal.body == {
        "InvoiceNumber": "I1-R1",
        "TotalAmount": Decimal("-5.00"),
        "IsReversal": "Yes",
        "CorrectedInvoiceNumber": "I1",
    }
    marker = marker_of(UUID(int=7))
    paid = native_document(payment, {}, {"legal_entity": "DE01"}, LE, marker=marker, historical=True)
    assert paid.body == {"dataAreaId": "demf", "PaymentReference": marker, "HistoricalLoad": "Yes"}
    assert len(marker) <= 60
    assert marker != marker_of(UUID(int=7), "1")


def test_a_reversal_is_the_document_with_its_amounts_negated() -> None:
    agreed = {
        "currency": "EUR",
        "net_total": Decimal("10.00"),
        "lines": [
            {"line_number": 1, "quantity": Decimal(2), "unit_price": Decimal(5), "amount": Decimal(10)}
        ],
    }
    assert reversal_of(PROFILE.objects["invoice"], agreed) == {
        "currency": "EUR",
        "net_total": Decimal("-10.00"),
        "lines": [{"line_number": 1, "quantity": -2, "unit_price": 5, "amount": -10}],
    }


def test_a_digest_knows_neither_the_order_of_fields_nor_the_zeros_of_a_number() -> None:
    assert digest("x", {"a": Decimal("1.50"), "b": 1}) == digest(
        "x", {"b": Decimal("1.0"), "a": Decimal("1.5")}
    )
    assert digest("x", {"a": 1}) != digest("x", {"a": "1"})


@given(st.dates(date(1, 1, 1)), st.integers(0, 30))
def test_dates_may_come_as_dates_or_texts(day: date, more: int) -> None:
    invoice = PROFILE.objects["invoice"]
    later = day + timedelta(days=more) if day.year < 9999 else day
    assert normalise(invoice, {"due_date": later}) == normalise(invoice, {"due_date": later.isoformat()})
