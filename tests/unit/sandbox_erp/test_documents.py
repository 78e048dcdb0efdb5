"""Invoices with their lines: drafts, posting, frozen documents, reversals, historical loads."""

from __future__ import annotations

import pytest

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import (
    HOME,
    Client,
    changeset,
    document,
    header,
    op,
    post_action,
    rows,
    statuses,
)

LINE_1 = "/data/SalesInvoiceLines(dataAreaId='usmf',InvoiceNumber='I1',LineNumber=1)"


async def test_a_document_is_created_in_one_changeset_and_posted_by_its_action(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await erp.books()
    assert statuses(await erp.document("I1", 100.10, 200.20)) == [201, 201, 201]
    read = await erp.get(header("I1") + "?$expand=Lines")
    assert read.json["DocumentStatus"] == "Draft"
    assert read.json["InvoiceDate"] == "2024-05-01T12:00:00Z"
    assert [line["LineAmount"] for line in read.json["Lines"]] == [100.10, 200.20]
    posted = await erp.post(post_action("I1"), match=read.etag)
    assert posted.status == 200
    assert posted.etag != read.etag
    record = sandbox.settings.record
    assert rows(
        record, "SELECT voucher_number, kind, document_number, posted_on, amount_cents FROM voucher"
    ) == [(posted.json["value"], "invoice", "I1", "2024-05-01", 30030)]
    assert rows(record, "SELECT document_status, voucher_number, total_cents FROM invoice") == [
        ("Posted", posted.json["value"], 30030)
    ]
    assert rows(record, "SELECT method FROM effect ORDER BY id DESC LIMIT 1") == [("Post",)]


async def test_create_and_post_fit_one_changeset_with_a_content_id_reference(erp: Client) -> None:
    await erp.books()
    post = op("POST", "$1/Microsoft.Dynamics.DataEntities.Post", {}, "9")
    assert statuses(await erp.batch(changeset(*document("I1", 5.0), post))) == [201, 201, 200]
    assert (await erp.get(header("I1"))).json["DocumentStatus"] == "Posted"


async def test_posting_twice_is_refused(erp: Client, sandbox: ErpSandbox) -> None:
    await erp.books()
    await erp.document("I1", 5.0)
    assert (await erp.post(post_action("I1"))).status == 200
    again = await erp.post(post_action("I1"))
    assert (again.status, "Invoice I1 is already posted." in again.why) == (400, True)
    assert rows(sandbox.settings.record, "SELECT count(*) FROM voucher") == [(1,)]


async def test_posting_honours_a_stale_version(erp: Client) -> None:
    await erp.books()
    await erp.document("I1", 5.0)
    stale = (await erp.get(header("I1"))).etag
    await erp.patch(header("I1"), {"Reference": "x"}, match=stale)
    assert (await erp.post(post_action("I1"), match=stale)).status == 412


async def test_a_total_that_does_not_match_the_lines_is_not_posted(erp: Client) -> None:
    await erp.books()
    await erp.document("I1", 5.0, total=6.0)
    refused = await erp.post(post_action("I1"))
    assert "The total 6.00 of invoice I1 does not match the sum 5.00 of its lines." in refused.why
    assert (await erp.patch(LINE_1, {"LineAmount": 6})).status == 204
    assert (await erp.post(post_action("I1"))).status == 200


async def test_a_posted_document_refuses_every_change(erp: Client) -> None:
    await erp.books()
    await erp.document("I1", 5.0)
    await erp.post(post_action("I1"))
    line = HOME | {"InvoiceNumber": "I1", "LineNumber": 2, "LineAmount": 1.0}
    for refused in (
        await erp.patch(header("I1"), {"Note": "x"}, match="*"),
        await erp.delete(header("I1"), match="*"),
        await erp.patch(LINE_1, {"LineAmount": 1.0}),
        await erp.delete(LINE_1),
        await erp.post("/data/SalesInvoiceLines", line),
    ):
        assert refused.status == 400
        assert "Invoice I1 is posted and cannot be changed." in refused.why


async def test_a_draft_is_deleted_with_its_lines(erp: Client, sandbox: ErpSandbox) -> None:
    await erp.books()
    await erp.document("I1", 5.0, 6.0)
    assert (await erp.delete(header("I1"))).status == 428
    assert (await erp.delete(header("I1"), match="*")).status == 204
    assert (await erp.get(LINE_1)).status == 404
    assert rows(sandbox.settings.record, "SELECT count(*) FROM invoice_line") == [(0,)]


async def test_a_closed_period_refuses_posting_until_it_is_opened(erp: Client) -> None:
    await erp.books()
    await erp.document("I1", 5.0)
    month = {"dataAreaId": "usmf", "from": "2024-05-01", "to": "2024-05-31"}
    await erp.control("periods", month | {"state": "closed"})
    refused = await erp.post(post_action("I1"))
    assert refused.status == 400
    assert "Fiscal period for date 2024-05-01 is not open in company usmf. Period closed." in refused.why
    await erp.control("periods", month | {"state": "open"})
    assert (await erp.post(post_action("I1"))).status == 200


async def test_a_historical_document_goes_in_posted_and_without_a_voucher(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await erp.books()
    await erp.control(
        "periods", {"dataAreaId": "usmf", "from": "2024-01-01", "to": "2024-12-31", "state": "closed"}
    )
    assert statuses(await erp.document("H1", 5.0, 6.0, HistoricalLoad="Yes")) == [201, 201, 201]
    assert (await erp.get(header("H1"))).json["DocumentStatus"] == "Posted"
    assert rows(sandbox.settings.record, "SELECT count(*) FROM voucher") == [(0,)]
    late_line = HOME | {"InvoiceNumber": "H1", "LineNumber": 3, "LineAmount": 1.0}
    assert "posted and cannot be changed" in (await erp.post("/data/SalesInvoiceLines", late_line)).why
    assert "already posted" in (await erp.post(post_action("H1"))).why


async def test_a_historical_document_whose_total_is_wrong_is_refused_whole(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await erp.books()
    assert statuses(await erp.document("H1", 5.0, total=7.0, HistoricalLoad="Yes")) == [400]
    assert (await erp.get(header("H1"))).status == 404
    assert rows(sandbox.settings.record, "SELECT count(*) FROM invoice") == [(0,)]
    assert rows(
        sandbox.settings.record, "SELECT sum(accepted) FROM arrival WHERE entity_set LIKE 'Sales%'"
    ) == [(0,)]


async def test_a_reversal_offsets_its_invoice_once(erp: Client, sandbox: ErpSandbox) -> None:
    await erp.books()
    await erp.document("I1", 5.0)
    reversal = {"IsReversal": "Yes", "CorrectedInvoiceNumber": "I1"}
    assert statuses(await erp.document("R0", -5.0, **reversal)) == [400], "the invoice is still a draft"
    await erp.post(post_action("I1"))
    await erp.document("R1", -4.0, **reversal)
    assert "Reversal R1 does not offset invoice I1." in (await erp.post(post_action("R1"))).why
    await erp.document("R2", -5.0, **reversal)
    assert (await erp.post(post_action("R2"))).status == 200
    await erp.document("R3", -5.0, **reversal)
    assert "Invoice I1 is already reversed by R2." in (await erp.post(post_action("R3"))).why
    assert rows(sandbox.settings.record, "SELECT sum(amount_cents) FROM voucher") == [(0,)]


@pytest.mark.parametrize(
    ("doc", "words"),
    [
        ({"DocumentStatus": "Posted"}, "'DocumentStatus' is read-only"),
        ({"HistoricalLoad": "Yes"}, "'HistoricalLoad' can only be set when the record is created"),
        ({"InvoiceDate": None}, "Edm.DateTimeOffset"),
        ({"InvoiceDate": "2024-02-30"}, "Edm.DateTimeOffset"),
        ({"InvoiceAccount": "A9"}, "'InvoiceAccount' is not found"),
        ({"CorrectedInvoiceNumber": "I1"}, "Invoice I1 is not posted."),
    ],
)
async def test_a_change_that_does_not_fit_a_draft_is_refused(erp: Client, doc: object, words: str) -> None:
    await erp.books()
    await erp.document("I1", 5.0)
    refused = await erp.patch(header("I1"), doc, match="*")
    assert (refused.status, words in refused.why) == (400, True)


async def test_a_line_needs_its_header(erp: Client) -> None:
    line = HOME | {"InvoiceNumber": "I9", "LineNumber": 1, "LineAmount": 1.0}
    assert "related table 'SalesInvoiceHeaders'" in (await erp.post("/data/SalesInvoiceLines", line)).why
