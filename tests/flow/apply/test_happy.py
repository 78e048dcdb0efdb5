"""From a wanted state to an accepted write, one object kind after the other."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.flow.apply.conftest import Bench
from tests.flow.apply.outbox import states, want


def customer(number: str, **changes: Any) -> dict[str, Any]:
    """A customer as wanted."""
    return {"external_number": number, "name": "Acme", "city": "Bern", "active": True} | changes


def invoice(number: str, status: str, *amounts: str, **changes: Any) -> dict[str, Any]:
    """An invoice as wanted, one line per amount."""
    lines = [
        {"line_number": i, "description": f"line {i}", "quantity": "1", "unit_price": a, "amount": a}
        for i, a in enumerate(amounts, 1)
    ]
    return {
        "external_number": number,
        "legal_entity": "usmf",
        "customer": "C1",
        "invoice_date": "2024-05-01",
        "currency": "USD",
        "status": status,
        "net_total": str(sum(int(a) for a in amounts)),
        "lines": lines,
    } | changes


async def test_a_customer_is_created_then_only_what_differs_is_patched(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "customer", entity, customer("c1"))
    await bench.drain(worker)
    want(bench.store, "customer", entity, customer("c1", city="Basel"))
    await bench.drain(worker)
    created, patched = [e.call for e in bench.target.effects]
    assert (created.action, created.external_key) == ("create", {"PartyNumber": "C1"})
    assert patched.body == {"City": "Basel"}
    assert patched.token == "v1"
    assert states(bench.store) == {"applied": 2}


async def test_what_does_not_differ_is_not_sent(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    for _ in range(2):
        want(bench.store, "customer", entity, customer("C1"))
        await bench.drain(worker)
    assert len(bench.target.arrivals) == 1
    assert states(bench.store) == {"applied": 1, "suppressed": 1}


async def test_an_invoice_is_created_as_a_draft_with_its_lines_and_then_posted(bench: Bench) -> None:
    want(bench.store, "invoice", uuid4(), invoice("I1", "posted", "10", "20"), kind="step", step="posted")
    await bench.drain(bench.worker())
    assert [e.call.action for e in bench.target.effects] == ["create", "post"]
    (held,) = bench.target.held.values()
    assert (held.lifecycle, len(held.lines)) == ("posted", 2)


async def test_a_posted_invoice_is_corrected_by_a_reversal_and_a_linked_successor(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "invoice", entity, invoice("I1", "posted", "10"), kind="step", step="posted")
    await bench.drain(worker)
    want(bench.store, "invoice", entity, invoice("I1", "posted", "15"))
    await bench.drain(worker)
    documents = {h.key["InvoiceNumber"]: h for h in bench.target.held.values()}
    assert {n: (h.lifecycle, str(h.native["TotalAmount"])) for n, h in documents.items()} == {
        "I1": ("posted", "10.00"),
        "I1-R1": ("posted", "-10.00"),
        "I1-C1": ("posted", "15.00"),
    }
    assert documents["I1-R1"].native["CorrectedInvoiceNumber"] == "I1"
    assert documents["I1-C1"].native["CorrectedInvoiceNumber"] == "I1"
    (line,) = documents["I1-R1"].lines.values()
    assert (str(line["Quantity"]), str(line["UnitPrice"])) == ("-1.000000", "10.000000")
    want(bench.store, "invoice", entity, invoice("I1", "void", "15"), kind="step", step="void")
    await bench.drain(worker)
    assert str(bench.target.held_by("InvoiceNumber", "I1-R2").native["TotalAmount"]) == "-15.00"
    assert states(bench.store) == {"applied": 3}


async def test_a_posted_invoice_is_frozen_against_reference_data(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "invoice", entity, invoice("I1", "posted", "10"), kind="step", step="posted")
    await bench.drain(worker)
    want(bench.store, "invoice", entity, invoice("I1", "posted", "10", due_date="2024-09-09"), own=False)
    await bench.drain(worker)
    assert len(bench.target.effects) == 2
    assert states(bench.store) == {"applied": 1, "suppressed": 1}


async def test_a_child_waits_for_its_parent_and_goes_by_itself(bench: Bench) -> None:
    worker, parent, child = bench.worker(), uuid4(), uuid4()
    refs = [{"field": "parent", "object": "customer", "entity_id": str(parent), "deferrable": True}]
    want(bench.store, "customer", child, customer("C2", parent="C1"), refs=refs)
    await bench.drain(worker)
    assert bench.target.arrivals == []
    reason = bench.store.execute("SELECT reason FROM coexist.command").fetchone()
    assert reason == (f"waits for customer {parent}",)
    want(bench.store, "customer", parent, customer("C1"))
    await bench.drain(worker)
    assert [e.record for e in bench.target.effects] == [
        "customer [('PartyNumber', 'C1')]",
        "customer [('PartyNumber', 'C2')]",
    ]
    assert bench.target.held_by("PartyNumber", "C2").native["ParentPartyNumber"] == "C1"


async def test_cycles_of_references_are_sent_in_two_steps(bench: Bench) -> None:
    worker, own, one, two = bench.worker(), uuid4(), uuid4(), uuid4()

    def refs(entity: Any) -> list[dict[str, Any]]:
        return [{"field": "parent", "object": "customer", "entity_id": str(entity), "deferrable": True}]

    want(bench.store, "customer", own, customer("C0", parent="C0"), refs=refs(own))
    want(bench.store, "customer", one, customer("C1", parent="C2"), refs=refs(two))
    want(bench.store, "customer", two, customer("C2", parent="C1"), refs=refs(one))
    await bench.drain(worker)
    parents = {h.key["PartyNumber"]: h.native["ParentPartyNumber"] for h in bench.target.held.values()}
    assert parents == {"C0": "C0", "C1": "C2", "C2": "C1"}
    assert states(bench.store) == {"applied": 3}


async def test_a_payment_is_made_once_and_undone_and_made_anew_when_its_amount_changes(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    payment = {
        "external_number": "P1", "legal_entity": "usmf", "customer": "C1", "payment_date": "2024-05-01",
        "currency": "USD", "amount": "10", "method": "WIRE", "allocations": [{"invoice": "I1", "amount": "4"}],
    }  # fmt: skip
    want(bench.store, "payment", entity, payment)
    await bench.drain(worker)
    want(bench.store, "payment", entity, payment | {"amount": "12"})
    await bench.drain(worker)
    assert [(str(h.native["Amount"]), h.lifecycle) for h in bench.target.held.values()] == [
        ("10.00", "deleted"),
        ("12.00", "posted"),
    ]
    want(bench.store, "payment", entity, {}, kind="delete")
    await bench.drain(worker)
    assert [h.lifecycle for h in bench.target.held.values()] == ["deleted", "deleted"]
    assert states(bench.store) == {"applied": 3}


async def test_a_deleted_customer_is_deactivated_and_comes_back(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "customer", entity, customer("C1"))
    await bench.drain(worker)
    want(bench.store, "customer", entity, {}, kind="delete")
    await bench.drain(worker)
    held = bench.target.held_by("PartyNumber", "C1")
    assert held.native["IsActive"] == "No"
    want(bench.store, "customer", entity, customer("C1"))
    await bench.drain(worker)
    assert held.native["IsActive"] == "Yes"
    assert bench.target.effects[-1].call.body == {"IsActive": "Yes"}


async def test_historical_documents_go_in_posted_without_posting(bench: Bench) -> None:
    want(bench.store, "invoice", uuid4(), invoice("I1", "posted", "10"), historical=True, step="posted")
    want(bench.store, "invoice", uuid4(), invoice("I2", "void", "10"), historical=True, step="void")
    await bench.drain(bench.worker())
    assert [(e.call.action, e.call.body["HistoricalLoad"]) for e in bench.target.effects] == [
        ("create", "Yes")
    ]
    assert states(bench.store) == {"applied": 1, "suppressed": 1}
