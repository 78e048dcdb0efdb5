"""The Target port, over real HTTP: what is written arrives once, and what is not known is said to be unknown."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from agent.errors import PolicyRefused, TargetError, TargetUnavailable
from agent.model.commands import Action, Call, CallResult, ChildWrite, RecordKey
from agent.model.ids import EntityId, ObjectName, TargetName
from agent.profile import canonicalise, marker_of
from tests.contract.target.conftest import LE, PROFILE, SECRET, Estate


def kinds(results: list[CallResult]) -> list[str]:
    return [str(result.kind) for result in results]


def key_of(object_name: str, number: int = 1) -> RecordKey:
    return RecordKey(TargetName("erp"), ObjectName(object_name), EntityId(UUID(int=number)))


# ------------------------------------------------------------------ masters


async def test_many_calls_go_in_few_requests_and_come_back_in_order(erp: Estate) -> None:
    calls = [erp.customer(f"C{n}") for n in range(450)]
    results = await erp.sent(*calls)
    assert kinds(results) == ["accepted"] * 450
    assert [r.call_id for r in results] == [c.call_id for c in calls]
    assert all(r.token for r in results)
    assert len(erp.effects("Parties")) == 450
    counters = await erp.control("counters", method="GET")
    assert counters["requests"] <= 4  # three batches and a token


async def test_a_token_from_a_write_serves_the_next_and_a_stale_one_is_a_conflict(erp: Estate) -> None:
    (made,) = await erp.sent(erp.customer("C1"))
    update = erp.call("customer", Action.UPDATE, external_key={"PartyNumber": "C1"}, body={"City": "Bonn"})
    (first,) = await erp.sent(update._replace(token=made.token))
    assert first.kind == "accepted"
    assert first.token not in (None, made.token)
    (stale,) = await erp.sent(update._replace(token=made.token))
    (missing,) = await erp.sent(update)
    assert (stale.kind, stale.code) == ("conflict", "version_stale")
    assert (missing.kind, missing.code) == ("conflict", "version_missing")
    (found,) = await erp.target.find(key_of("customer"), {"PartyNumber": "C1"}, None)
    assert found.token == first.token
    assert canonicalise(PROFILE.objects["customer"], found, LE)["city"] == "Bonn"


async def test_creating_what_exists_and_updating_what_is_gone_are_conflicts(erp: Estate) -> None:
    await erp.sent(erp.customer("C1"))
    gone = erp.call(
        "customer", Action.UPDATE, external_key={"PartyNumber": "C9"}, body={"Name": "x"}, token="x"
    )
    absent = erp.call("customer", Action.DELETE, external_key={"PartyNumber": "C9"}, token="x")
    for calls in ([erp.customer("C1"), gone, absent],), ([erp.customer("C1")],), ([gone],), ([absent],):
        results = await erp.sent(*calls[0])
        assert set(kinds(results)) == {"conflict"}
        assert all(r.code == ("exists" if r.status == 400 else "gone") for r in results)


async def test_one_refused_call_in_a_batch_leaves_the_others_alone(erp: Estate) -> None:
    calls = [erp.customer(f"C{n}") for n in range(20)]
    calls[7] = calls[7]._replace(body={**calls[7].body, "NoSuchField": "x"})
    results = await erp.sent(*calls)
    assert [n for n, r in enumerate(results) if r.kind != "accepted"] == [7]
    assert (results[7].kind, results[7].code) == ("park", "unknown_field")
    assert "NoSuchField" in results[7].message
    assert len(erp.effects("Parties")) == 19


async def test_a_batch_refused_as_a_whole_is_split_until_only_the_poison_is_left(erp: Estate) -> None:
    await erp.control("settings", {"max_batch": 10})
    results = await erp.sent(*[erp.customer(f"C{n}") for n in range(64)])
    assert kinds(results) == ["accepted"] * 64
    assert len(erp.effects("Parties")) == 64


async def test_difficult_texts_and_exact_money_survive_the_way_there_and_back(erp: Estate) -> None:
    name = 'O\'Neil & "Söhne" / 100% <ñ> 😀 ? # + ;'
    key = "A'B /?#%+Ä"
    (made,) = await erp.sent(erp.customer(key, name=name, note="line 1\n--coexist_batch\r\nline 2\t."))
    assert made.kind == "accepted", made
    (found,) = await erp.target.find(key_of("customer"), {"PartyNumber": key.upper()}, None)
    there = canonicalise(PROFILE.objects["customer"], found, LE)
    assert (there["name"], there["note"]) == (name, "line 1\n--coexist_batch\r\nline 2\t.")
    wanted = {
        "external_number": "K1", "customer": key, "legal_entity": "DE01", "currency": "EUR",
        "credit_limit": Decimal("1234567890123.45"),
    }  # fmt: skip
    (made,) = await erp.sent(erp.create("customer_account", wanted))
    assert made.kind == "accepted", made
    (found,) = await erp.target.find(
        key_of("customer_account"), {"dataAreaId": "demf", "CustomerAccount": "K1"}, None
    )
    assert canonicalise(PROFILE.objects["customer_account"], found, LE)["credit_limit"] == Decimal(
        "1234567890123.45"
    )


# ------------------------------------------------------------------ documents


async def test_a_document_and_its_lines_are_one_write_then_posted_and_frozen(erp: Estate) -> None:
    await erp.with_customer()
    draft = erp.invoice("I1", "10.00", "5.50")
    (made,) = await erp.sent(draft)
    assert (made.kind, bool(made.token)) == ("accepted", True)
    post = erp.call("invoice", Action.POST, external_key=draft.external_key, token=made.token)
    (posted,) = await erp.sent(post)
    assert posted.kind == "accepted", posted
    (found,) = await erp.target.find(key_of("invoice"), draft.external_key, None)
    assert (found.lifecycle, len(found.native["lines"])) == ("posted", 2)
    (again,) = await erp.sent(post._replace(token=None))
    assert (again.kind, again.code) == ("conflict", "already_posted")
    update = erp.call("invoice", Action.UPDATE, external_key=draft.external_key, body={"Reference": "x"})
    (frozen,) = await erp.sent(update._replace(token=found.token))
    assert (frozen.kind, frozen.code) == ("conflict", "posted")


async def test_a_document_with_one_bad_line_leaves_nothing_behind(erp: Estate) -> None:
    await erp.with_customer()
    good, bad = erp.invoice("I1", "1.00"), erp.invoice("I2", "1.00", "2.00")
    line = bad.children[1]._replace(body={**bad.children[1].body, "LineNumber": 0})
    results = await erp.sent(good, bad._replace(children=(bad.children[0], line)), erp.invoice("I3", "1.00"))
    assert kinds(results) == ["accepted", "park", "accepted"]
    assert await erp.target.find(key_of("invoice"), bad.external_key, None) == []


async def test_changed_lines_are_guarded_by_the_headers_token(erp: Estate) -> None:
    await erp.with_customer()
    draft = erp.invoice("I1", "1.00")
    (made,) = await erp.sent(draft)
    line = ChildWrite(
        Action.UPDATE, "SalesInvoiceLines", draft.children[0].external_key, {"Description": "new"}
    )
    update = erp.call(
        "invoice", Action.UPDATE, external_key=draft.external_key, children=(line,), token=made.token
    )
    assert kinds(await erp.sent(update)) == ["accepted"]
    (repeated,) = await erp.sent(update)
    assert (repeated.kind, repeated.code) == ("conflict", "version_stale")


async def test_a_closed_period_and_a_wrong_total_are_parked_by_name(erp: Estate) -> None:
    await erp.with_customer()
    wrong, late = erp.invoice("I1", "1.00", total="2.00"), erp.invoice("I2", "1.00")
    await erp.sent(wrong, late)
    period = {"dataAreaId": "usmf", "from": "2024-05-01", "to": "2024-05-31", "state": "closed"}
    posts = [erp.call("invoice", Action.POST, external_key=c.external_key) for c in (wrong, late)]
    (total,) = await erp.sent(posts[0])
    await erp.control("periods", period)
    (closed,) = await erp.sent(posts[1])
    assert (total.kind, total.code) == ("park", "total_mismatch")
    assert (closed.kind, closed.code) == ("park", "period_closed")


async def test_historical_documents_go_in_posted(erp: Estate) -> None:
    await erp.with_customer()
    old = erp.invoice("I1", "1.00", "2.00", historical=True)
    assert kinds(await erp.sent(old)) == ["accepted"]
    (found,) = await erp.target.find(key_of("invoice"), old.external_key, None)
    assert found.lifecycle == "posted"


async def test_a_payment_is_found_by_its_marker_settled_and_reversed(erp: Estate) -> None:
    await erp.with_customer()
    invoice = erp.invoice("I1", "10.00", historical=True)
    await erp.sent(invoice)
    payment = erp.payment(77, "10.00", ("I1", "4.00"))
    (made,) = await erp.sent(payment)
    assert made.kind == "accepted", made
    assert made.native_id
    (found,) = await erp.target.find(key_of("payment"), {}, marker_of(UUID(int=77)))
    assert (found.native_id, found.lifecycle) == (made.native_id, "posted")
    obj = PROFILE.objects["payment"]
    assert canonicalise(obj, found, LE)["allocations"] == [{"invoice": "I1", "amount": Decimal("4.00")}]
    assert await erp.target.find(key_of("payment"), {}, marker_of(UUID(int=78))) == []
    reverse = erp.call("payment", Action.REVERSE, external_key=found.external_key)
    assert kinds(await erp.sent(reverse)) == ["accepted"]
    (again,) = await erp.sent(reverse)
    assert (again.kind, again.code) == ("accepted", "already_reversed")
    (found,) = await erp.target.find(key_of("payment"), found.external_key, None)
    assert found.lifecycle == "deleted"


async def test_the_same_payment_sent_twice_is_two_which_is_why_it_is_asked_about(erp: Estate) -> None:
    await erp.with_customer()
    payment = erp.payment(1, "5.00")
    await erp.sent(payment)
    await erp.sent(payment)
    assert len(await erp.target.find(key_of("payment"), {}, payment.marker)) == 2


async def test_an_early_payment_waits_for_its_invoice(erp: Estate) -> None:
    await erp.with_customer()
    await erp.sent(erp.invoice("I1", "10.00"))
    (result,) = await erp.sent(erp.payment(1, "10.00", ("I1", "10.00")))
    assert (result.kind, result.code) == ("retry", "not_posted_yet")


# ------------------------------------------------------------------ what goes wrong on the way


@pytest.mark.parametrize(
    ("kind", "more", "expected", "done"),
    [
        ("drop_before", {}, "unknown", False),
        ("drop_after", {}, "unknown", True),
        ("nonsense", {}, "unknown", True),
        ("stall", {"seconds": 3}, "unknown", True),
        ("status", {"status": 500}, "unknown", False),
        ("status", {"status": 503, "work": True}, "unknown", True),
        ("status", {"status": 429, "retry_after": 1}, "retry", False),
    ],
)
@pytest.mark.parametrize("number", [1, 5])
async def test_no_reply_is_ever_taken_for_an_answer(
    erp: Estate, kind: str, more: dict[str, object], expected: str, done: bool, number: int
) -> None:
    target = erp.connect(limits={"timeout_seconds": 1.0})
    await erp.fault(kind, **more)
    results = await target.send([erp.customer(f"C{n}") for n in range(number)])
    assert kinds(results) == [expected] * number
    assert len(erp.effects("Parties")) == (number if done else 0)


async def test_of_a_reply_cut_off_what_arrived_is_known_and_the_rest_is_not(erp: Estate) -> None:
    await erp.fault("truncate_body")
    results = await erp.sent(*[erp.customer(f"C{n}") for n in range(20)])
    assert set(kinds(results)) == {"accepted", "unknown"}
    assert kinds(results) == sorted(kinds(results))


async def test_a_target_that_is_not_there_was_sent_nothing(erp: Estate) -> None:
    nowhere = erp.connect(url="http://127.0.0.1:9")
    (result,) = await nowhere.send([erp.customer("C1")])
    assert (result.kind, result.code) == ("retry", "unreachable")
    assert result.retry_after is not None
    assert result.retry_after > datetime.now(UTC)


async def test_one_operation_that_fails_inside_a_batch_is_unknown_alone(erp: Estate) -> None:
    match = {"path": "^/data", "operation": r"PATCH .*C3"}
    results = await erp.sent(*[erp.customer(f"C{n}") for n in range(5)])
    updates = [
        erp.call(
            "customer",
            Action.UPDATE,
            external_key={"PartyNumber": f"C{n}"},
            body={"City": "x"},
            token=r.token,
        )
        for n, r in enumerate(results)
    ]
    await erp.control("faults", {"kind": "status", "status": 500, "match": match})
    assert kinds(await erp.sent(*updates)) == ["accepted"] * 3 + ["unknown", "accepted"]


async def test_work_done_late_is_found_only_afterwards_so_a_first_no_is_not_final(erp: Estate) -> None:
    await erp.with_customer()
    payment = erp.payment(5, "3.00")
    await erp.fault("late", seconds=60)
    assert kinds(await erp.sent(payment)) == ["unknown"]
    assert await erp.target.find(payment.key, {}, payment.marker) == []
    assert len(await erp.target.find(payment.key, {}, payment.marker)) == 1


async def test_under_a_rate_limit_everything_arrives_once_and_only_what_had_left_meets_a_closed_door(
    erp: Estate,
) -> None:
    await erp.sent(erp.customer("C0"))
    await erp.control("settings", {"rate": [10, 1], "retry_after": True})

    async def deliver(call: Call) -> None:
        while True:
            (result,) = await erp.sent(call)
            if result.kind == "accepted":
                return
            assert result.retry_after is not None, result
            await asyncio.sleep((result.retry_after - datetime.now(UTC)).total_seconds())

    await asyncio.gather(*(deliver(erp.customer(f"C{n}")) for n in range(1, 26)))
    assert len(erp.effects("Parties")) == 26
    counters = await erp.control("counters", method="GET")
    windows, in_flight = 3, 4
    assert counters["inside_retry_after"] <= windows * (in_flight - 1)


async def test_nothing_leaves_inside_a_retry_after_window(erp: Estate) -> None:
    await erp.sent(erp.customer("C0"))
    await erp.fault("status", status=429, retry_after=1)
    (first,) = await erp.sent(erp.customer("C1"))
    results = await asyncio.gather(*(erp.sent(erp.customer(f"D{n}")) for n in range(20)))
    assert {kind for result in results for kind in kinds(result)} == {"retry"}
    assert first.retry_after is not None
    assert all(
        abs((r[0].retry_after - first.retry_after).total_seconds()) < 0.2 for r in results if r[0].retry_after
    )
    (found,) = await erp.target.find(key_of("customer"), {"PartyNumber": "C0"}, None)  # waits, then asks
    assert datetime.now(UTC) >= first.retry_after
    assert found.external_key == {"PartyNumber": "C0"}
    counters = await erp.control("counters", method="GET")
    assert counters["inside_retry_after"] == 0
    assert len(erp.effects("Parties")) == 1


async def test_a_throttle_without_a_moment_closes_the_gate_too(erp: Estate) -> None:
    await erp.sent(erp.customer("C0"))
    await erp.fault("status", status=429)
    (first,) = await erp.sent(erp.customer("C1"))
    assert (first.kind, first.code) == ("retry", "throttled")
    assert first.retry_after is not None


async def test_requests_in_flight_stay_within_the_limit(erp: Estate) -> None:
    await erp.control("settings", {"latency_ms": 20})
    calls = [erp.customer(f"C{n}") for n in range(40)]
    await asyncio.gather(*(erp.sent(call) for call in calls))
    counters = await erp.control("counters", method="GET")
    assert 2 <= counters["in_flight_max"] <= 4
    assert len(erp.effects("Parties")) == 40


# ------------------------------------------------------------------ who we are, and who answers


async def test_an_expired_token_costs_one_repeat_and_nothing_else(erp: Estate) -> None:
    await erp.sent(erp.customer("C1"))
    await erp.control("tokens/expire", {})
    assert kinds(await erp.sent(erp.customer("C2"), erp.customer("C3"))) == ["accepted"] * 2
    assert len(erp.effects("Parties")) == 3


async def test_a_wrong_secret_stops_the_target_and_is_not_shown(erp: Estate) -> None:
    erp.secret = SECRET + "-but-wrong"
    (result,) = await erp.sent(erp.customer("C1"))
    assert (result.kind, result.code) == ("stop", "credentials")
    assert SECRET not in result.message
    erp.secret = SECRET  # rotated: read anew, no restart
    assert kinds(await erp.sent(erp.customer("C1"))) == ["accepted"]


async def test_only_the_pinned_tenant_is_written_to(erp: Estate) -> None:
    await erp.target.check_tenant()
    stranger = erp.connect(tenant="contoso-production")
    with pytest.raises(PolicyRefused, match="contoso-test answers"):
        await stranger.check_tenant()
    (result,) = await stranger.send([erp.customer("C1")])
    assert (result.kind, result.code) == ("stop", "wrong_tenant")
    assert erp.effects("Parties") == []


# ------------------------------------------------------------------ reading


async def test_everything_is_read_page_by_page_with_lines_across_companies(erp: Estate) -> None:
    await erp.with_customer()
    wanted = {"external_number": "C1", "customer": "C1", "legal_entity": "DE01", "currency": "EUR"}
    await erp.sent(erp.create("customer_account", wanted))
    await erp.sent(*[erp.invoice(f"I{n}", "1.00", "2.25") for n in range(7)])
    await erp.control("settings", {"page_size": 3})
    invoices = [found async for found in erp.target.read_all(ObjectName("invoice"))]
    assert [f.external_key["InvoiceNumber"] for f in invoices] == [f"I{n}" for n in range(7)]
    assert {tuple(line["LineAmount"] for line in f.native["lines"]) for f in invoices} == {
        (Decimal("1.00"), Decimal("2.25"))
    }
    assert all(f.token for f in invoices)
    accounts = [found async for found in erp.target.read_all(ObjectName("customer_account"))]
    assert {f.external_key["dataAreaId"] for f in accounts} == {"usmf", "demf"}


async def test_a_question_is_repeated_and_then_given_up_with_a_remedy(erp: Estate) -> None:
    await erp.fault("drop_before", count=2)
    assert await erp.target.find(key_of("customer"), {"PartyNumber": "C1"}, None) == []
    await erp.fault("nonsense", count=1)
    with pytest.raises(TargetUnavailable):
        await erp.target.find(key_of("customer"), {"PartyNumber": "C1"}, None)
    await erp.fault("status", status=403)
    with pytest.raises(TargetError) as caught:
        await erp.target.find(key_of("customer"), {"PartyNumber": "C1"}, None)
    assert caught.value.remedy


async def test_what_was_sent_is_what_the_target_recorded(erp: Estate) -> None:
    await erp.sent(erp.customer("C1"), erp.customer("C2", parent="C1"))
    bodies = [json.loads(body) for _, _, body in erp.effects("Parties")]
    assert bodies == [
        {"PartyNumber": "C1", "Name": "Customer C1"},
        {"PartyNumber": "C2", "Name": "Customer C2", "ParentPartyNumber": "C1"},
    ]
