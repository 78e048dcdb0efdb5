"""The payment journal: numbered by the server, without a key to hold on to."""

from __future__ import annotations

from typing import Any

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import HOME, Client, post_action, rows

JOURNALS = "/data/CustomerPaymentJournals"
PAYMENT: dict[str, Any] = HOME | {
    "CustomerAccount": "A1",
    "PaymentDate": "2024-06-01",
    "CurrencyCode": "USD",
    "Amount": 100.0,
    "PaymentReference": "coexist:1",
}


async def posted_invoice(erp: Client) -> None:
    await erp.books()
    await erp.document("I1", 80.0)
    await erp.post(post_action("I1"))


def journal(number: str) -> str:
    return f"{JOURNALS}(dataAreaId='usmf',JournalNumber='{number}')"


async def test_a_payment_with_settlements_is_one_call_and_gets_its_number(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await posted_invoice(erp)
    made = await erp.post(
        JOURNALS, PAYMENT | {"Settlements": [{"InvoiceNumber": "I1", "SettledAmount": 80.0}]}
    )
    assert made.status == 201
    number = made.json["JournalNumber"]
    read = await erp.get(journal(number) + "?$expand=Settlements")
    assert [s["SettledAmount"] for s in read.json["Settlements"]] == [80.0]
    assert rows(
        sandbox.settings.record, "SELECT kind, amount_cents FROM voucher WHERE kind <> 'invoice'"
    ) == [("payment", 10000)]
    assert rows(sandbox.settings.record, "SELECT record_key FROM effect ORDER BY id DESC LIMIT 1") == [
        (f'{{"dataAreaId":"usmf","JournalNumber":"{number}"}}',)
    ]


async def test_the_same_post_twice_makes_two_payments_findable_by_reference(erp: Client) -> None:
    await erp.books()
    first, second = await erp.post(JOURNALS, PAYMENT), await erp.post(JOURNALS, PAYMENT)
    assert (first.status, second.status) == (201, 201)
    await erp.post(JOURNALS, PAYMENT | {"PaymentReference": "coexist:2"})
    found = await erp.get(JOURNALS + "?$filter=PaymentReference%20eq%20'coexist:1'&$select=JournalNumber")
    assert found.json["value"] == [
        {"JournalNumber": first.json["JournalNumber"]},
        {"JournalNumber": second.json["JournalNumber"]},
    ]


async def test_the_number_is_the_servers_alone(erp: Client) -> None:
    await erp.books()
    assert "'JournalNumber' is read-only" in (await erp.post(JOURNALS, PAYMENT | {"JournalNumber": "X"})).why


async def test_bad_settlements_take_the_payment_with_them(erp: Client, sandbox: ErpSandbox) -> None:
    await posted_invoice(erp)
    await erp.document("I2", 5.0)
    for settlements, words in (
        ([{"InvoiceNumber": "I2", "SettledAmount": 5.0}], "Invoice I2 is not posted."),
        ([{"InvoiceNumber": "I9", "SettledAmount": 5.0}], "Invoice I9 is not posted."),
        ([{"InvoiceNumber": "I1", "SettledAmount": 100.01}], "Settlements exceed the payment."),
        ([{"InvoiceNumber": "I1", "SettledAmount": 1.0}] * 2, "The record already exists."),
        ([{"InvoiceNumber": "I1", "Amount": 1.0}], "'Amount' does not exist"),
        ([{"InvoiceNumber": "I1"}], "'SettledAmount' must be filled in"),
        ({}, "must be a collection"),
    ):
        refused = await erp.post(JOURNALS, PAYMENT | {"Settlements": settlements})
        assert (refused.status, words in refused.why) == (400, True)
    assert (await erp.get(JOURNALS)).json["value"] == []
    assert rows(sandbox.settings.record, "SELECT count(*) FROM voucher WHERE kind = 'payment'") == [(0,)]


async def test_a_payment_is_frozen_but_its_settlements_come_and_go(erp: Client) -> None:
    await posted_invoice(erp)
    number = (await erp.post(JOURNALS, PAYMENT)).json["JournalNumber"]
    assert "posted and cannot be changed" in (await erp.patch(journal(number), {"Amount": 1.0})).why
    assert "posted and cannot be changed" in (await erp.delete(journal(number))).why
    settlement = HOME | {"JournalNumber": number, "InvoiceNumber": "I1", "SettledAmount": 80.0}
    assert (await erp.post("/data/CustomerPaymentSettlements", settlement)).status == 201
    path = f"/data/CustomerPaymentSettlements(dataAreaId='usmf',JournalNumber='{number}',InvoiceNumber='I1')"
    assert (await erp.patch(path, {"SettledAmount": 1.0})).status == 400
    assert (await erp.delete(path)).status == 204


async def test_a_payment_is_reversed_once_with_an_opposite_voucher(erp: Client, sandbox: ErpSandbox) -> None:
    await posted_invoice(erp)
    made = await erp.post(
        JOURNALS, PAYMENT | {"Settlements": [{"InvoiceNumber": "I1", "SettledAmount": 80.0}]}
    )
    path = journal(made.json["JournalNumber"])
    action = path + "/Microsoft.Dynamics.DataEntities.Reverse"
    assert (await erp.post(action, {"ReversalDate": "2024-07-01"})).status == 200
    read = await erp.get(path + "?$expand=Settlements")
    assert (read.json["IsReversed"], read.json["Settlements"]) == ("Yes", [])
    assert "already reversed" in (await erp.post(action)).why
    record = sandbox.settings.record
    assert rows(record, "SELECT kind, posted_on, amount_cents FROM voucher WHERE kind LIKE 'payment%'") == [
        ("payment", "2024-06-01", 10000),
        ("payment_reversal", "2024-07-01", -10000),
    ]


async def test_a_closed_period_refuses_a_payment_unless_it_is_historical(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await erp.books()
    await erp.control(
        "periods", {"dataAreaId": "usmf", "from": "2024-06-01", "to": "2024-06-30", "state": "closed"}
    )
    assert "Period closed." in (await erp.post(JOURNALS, PAYMENT)).why
    assert (await erp.post(JOURNALS, PAYMENT | {"HistoricalLoad": "Yes"})).status == 201
    assert rows(sandbox.settings.record, "SELECT count(*) FROM voucher") == [(0,)]
