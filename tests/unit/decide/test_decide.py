"""What a batch of entity changes leads to, decided without a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from agent.decide.brake import BrakeRules, too_many
from agent.decide.decide import decide
from agent.decide.plan import EntityPlan, ReferencePlan, TargetPlan
from agent.identity.ids import entity_id, key_text
from agent.model.entities import Decisions, EntityChange, Transaction
from canonical.entities import Customer, Invoice
from canonical.ownership import compile_ownership
from cdc_config.loader import load_profile
from cdc_config.models import OwnershipConfig, OwnershipRule, ValueMap

_TXN = Transaction(7, 700, 70, datetime(2026, 5, 1, tzinfo=UTC))
_ID = entity_id("customer", "finance", "C1")


def _plan(entity: Any = Customer, rules: tuple[OwnershipRule, ...] = (OwnershipRule(object="customer", owner="finance"),),
          **more: Any) -> EntityPlan:  # fmt: skip
    book = OwnershipConfig(version="9", groups={"customer": {"contact": ("email",)}}, rules=rules)
    profile = load_profile("d365fo")
    return EntityPlan(
        mapping="finance.x", source="finance", entity=entity, every_change=entity is Invoice,
        ownership=compile_ownership(book, "finance"),
        targets=(TargetPlan("erp", profile.objects[entity.object_name], "load", {"US01": "usmf"}),),
        value_map_uses=more.get("uses", {}), value_maps=more.get("maps", {}),
        references=(ReferencePlan("parent", "customer", ("ref_parent__1",), True),) if entity is Customer else (),
        own_fields=more.get("own_fields", frozenset()),
    )  # fmt: skip


def _customer(**fields: Any) -> dict[str, Any]:
    return {
        "key_cust_no": "C1",
        "ref_parent__1": None,
        "external_number": "C1",
        "name": "Acme",
        "email": None,
    } | fields


def _run(plan: EntityPlan, old: dict[str, Any] | None, new: dict[str, Any] | None, *, own: bool = True, cause: str = "live",
         known: bool | None = None) -> Decisions:  # fmt: skip
    row = EntityChange("(0,1)", None, "C1", _ID, 7, own, old, new, known if known is not None else old is not None)
    return decide(
        plan, [row], {7: _TXN}, cause, lambda entity, key: entity_id(entity, "finance", key_text(key))
    )


def test_a_new_customer_makes_one_event_and_one_command_with_everything_the_source_owns() -> None:
    out = _run(_plan(), None, _customer())
    assert [j.event_type for j in out.journal] == ["customer.created"]
    command = out.commands[0]
    wanted = orjson.loads(command.wanted)
    assert (command.state, command.kind, command.created, wanted["name"]) == (
        "waiting",
        "state",
        True,
        "Acme",
    )
    assert "key_cust_no" not in wanted
    assert orjson.loads(command.external_key) == {"PartyNumber": "C1"}
    assert command.rule == "customer.*@*#9"


def test_a_field_that_the_target_owns_is_never_wanted_and_its_change_alone_is_suppressed() -> None:
    rules = (
        OwnershipRule(object="customer", owner="finance"),
        OwnershipRule(object="customer", group="contact", owner="erp"),
    )
    out = _run(_plan(rules=rules), _customer(), _customer(email="a@b.c"))
    assert out.commands[0].state == "suppressed"
    assert "erp" in out.commands[0].reason
    assert "email" not in orjson.loads(out.commands[0].wanted)


def test_what_nobody_owns_is_held_for_a_person_and_the_rest_goes_on() -> None:
    rules = (OwnershipRule(object="customer", group="contact", owner="finance"),)
    held = _run(_plan(rules=rules), _customer(), _customer(name="Beta"))
    assert held.commands[0].state == "parked"
    assert held.exceptions[0].code == "no_owner"
    both = _run(_plan(rules=rules), _customer(), _customer(name="Beta", email="a@b.c"))
    assert both.commands[0].state == "waiting"
    assert set(orjson.loads(both.commands[0].wanted)) == {"email"}
    assert "name" in both.exceptions[0].message


def test_a_row_that_violates_the_model_is_an_exception_and_its_old_state_stands() -> None:
    out = _run(_plan(), _customer(), _customer(name="x" * 500))
    assert not out.accepted
    assert not out.commands
    assert (out.exceptions[0].code, out.exceptions[0].subject) == ("invalid", "finance.x:C1")
    assert "name" in out.exceptions[0].message


def test_an_unlisted_mandatory_code_parks_the_entity_and_is_listed_as_a_gap() -> None:
    maps = {"country": ValueMap(values={"D": "DEU"}, on_missing="mandatory")}
    plan = _plan(uses={"country": "country"}, maps=maps)
    assert orjson.loads(_run(plan, None, _customer(country="D")).commands[0].wanted)["country"] == "DEU"
    out = _run(plan, None, _customer(country="XX"))
    assert out.exceptions[0].code == "mapping_missing"
    assert out.gaps == [("country", "country", "XX")]


def test_a_baseline_makes_no_business_event_and_marks_documents_as_history() -> None:
    out = _run(_plan(), None, _customer(), cause="baseline")
    assert out.journal[0].event_type == "customer.baseline"
    assert out.commands[0].historical


def test_a_customer_gone_from_the_view_is_a_delete() -> None:
    out = _run(_plan(), _customer(), None)
    assert [(c.kind, c.state) for c in out.commands] == [("delete", "waiting")]
    assert out.journal[0].event_type == "customer.deleted"


def test_a_reference_names_the_entity_it_means() -> None:
    out = _run(_plan(), None, _customer(parent="C0", ref_parent__1="C0  "))
    reference = orjson.loads(out.commands[0].refs)[0]
    assert reference["entity_id"] == entity_id("customer", "finance", "C0")
    assert reference["deferrable"]


def _invoice(**fields: Any) -> dict[str, Any]:
    line = {"line_number": 1, "quantity": Decimal("1.50"), "unit_price": 10, "amount": Decimal("15.00")}
    return {
        "external_number": "I1", "legal_entity": "US01", "customer": "C1", "invoice_date": "2026-04-01", "currency": "USD",
        "status": "draft", "net_total": Decimal("15.00"), "lines": [line],
    } | fields  # fmt: skip


_INVOICE_RULES = (OwnershipRule(object="invoice", owner="finance"),)


def test_posting_is_a_step_with_its_own_event() -> None:
    out = _run(_plan(Invoice, _INVOICE_RULES), _invoice(), _invoice(status="posted"))
    assert out.journal[0].event_type == "invoice.posted"
    assert (out.commands[0].kind, out.commands[0].step) == ("step", "posted")


def test_an_edit_that_is_no_step_is_a_state() -> None:
    out = _run(_plan(Invoice, _INVOICE_RULES), _invoice(), _invoice(net_total=Decimal("16")))
    assert (out.commands[0].kind, out.journal[0].event_type) == ("state", "invoice.changed")


def test_a_state_never_goes_back() -> None:
    out = _run(_plan(Invoice, _INVOICE_RULES), _invoice(status="posted"), _invoice(status="draft"))
    assert out.exceptions[0].code == "state_regression"
    assert not out.accepted


def test_a_change_through_reference_data_alone_is_not_the_documents_own() -> None:
    plan = replace(_plan(Invoice, _INVOICE_RULES), own_fields=frozenset({"net_total", "lines"}))
    assert not _run(plan, _invoice(), _invoice(customer="C9"), own=True).commands[0].own_change
    assert _run(plan, _invoice(), _invoice(net_total=Decimal("1")), own=True).commands[0].own_change
    assert not _run(plan, _invoice(), _invoice(net_total=Decimal("1")), own=False).commands[0].own_change


def test_numbers_that_differ_only_in_zeros_are_no_change() -> None:
    out = _run(
        _plan(Invoice, _INVOICE_RULES), _invoice(), _invoice(net_total=Decimal("15.000"), reference="x")
    )
    assert set(orjson.loads(out.journal[0].changes)) == {"reference"}


@pytest.mark.parametrize(
    ("touched", "existing", "braked"),
    [
        (10, 100, False),
        (51, 100, True),
        (51, 1000, False),
        (5001, 1_000_000, True),
        (49, 50, False),
        (60, 0, False),
    ],
)
def test_the_brake_counts_records_and_their_share(touched: int, existing: int, braked: bool) -> None:
    assert too_many(BrakeRules(5000, 0.25, 50), touched, existing) is braked
