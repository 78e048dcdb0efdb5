"""Throttling, injected faults, late work, restarts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import SECRET, Client, header, op, post_action, rows, statuses

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)
PAYMENT = {
    "dataAreaId": "usmf",
    "CustomerAccount": "A1",
    "PaymentDate": "2024-06-01",
    "CurrencyCode": "USD",
    "Amount": 100.0,
    "PaymentReference": "m1",
}


def party(number: str) -> dict[str, Any]:
    return {"PartyNumber": number, "Name": number}


async def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not await condition():
        assert time.monotonic() < deadline, "condition not met in time"
        await asyncio.sleep(0.01)


async def test_over_the_rate_requests_are_throttled_with_and_without_a_time(erp: Client) -> None:
    await erp.control("settings", {"rate": [2, 60]})
    assert [(await erp.get("/data/Parties")).status for _ in range(3)] == [200, 200, 429]
    told = await erp.post("/data/Parties", party("A"))
    assert (told.status, int(told.headers["Retry-After"]) in range(1, 61)) == (429, True)
    await erp.control("settings", {"retry_after": False})
    silent = await erp.get("/data/Parties")
    assert (silent.status, "Retry-After" in silent.headers) == (429, False)
    counters = await erp.counters()
    assert (counters["throttled"], counters["inside_retry_after"]) == (3, 2)
    assert counters["effects"] == 0


async def test_a_fault_answers_its_status_without_work_as_often_as_told(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await erp.control(
        "faults", {"kind": "status", "status": 429, "retry_after": 2, "match": {"method": "POST"}}
    )
    refused = await erp.post("/data/Parties", party("A"))
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    assert (await erp.post("/data/Parties", party("A"))).status == 201
    assert rows(sandbox.settings.record, "SELECT accepted, status FROM arrival") == [(0, 429), (1, 201)]


async def test_a_fault_can_meet_one_operation_inside_a_batch(erp: Client) -> None:
    await erp.control(
        "faults", {"kind": "status", "status": 500, "match": {"operation": "PATCH .*'B'"}, "count": 1}
    )
    await erp.batch(op("POST", "/data/Parties", party("A")), op("POST", "/data/Parties", party("B")))
    patches = [op("PATCH", f"/data/Parties('{n}')", {"City": "x"}, If_Match="*") for n in "AB"]
    assert statuses(await erp.batch(*patches)) == [204, 500]
    assert statuses(await erp.batch(*patches)) == [204, 204]


@pytest.mark.parametrize(("kind", "effects"), [("drop_before", 0), ("drop_after", 1), ("truncate_body", 1)])
async def test_a_dropped_request_is_done_or_not_as_told(erp: Client, kind: str, effects: int) -> None:
    await erp.control("faults", {"kind": kind, "match": {"path": "Parties"}})
    with pytest.raises(CUT):
        await erp.post("/data/Parties", party("A"))
    counters = await erp.counters()
    assert (counters["arrivals"], counters["effects"], counters["faults_fired"]) == (1, effects, 1)


async def test_a_truncated_answer_without_a_body_is_seen_as_cut(erp: Client) -> None:
    await erp.books()
    await erp.control("faults", {"kind": "truncate_body"})
    with pytest.raises(aiohttp.ClientError):
        await erp.patch("/data/Parties('C1')", {"City": "x"}, match="*")
    assert (await erp.get("/data/Parties('C1')")).json["City"] == "x"


async def test_a_fault_can_let_requests_pass_first_and_look_into_the_body(erp: Client) -> None:
    await erp.control("faults", {"kind": "drop_after", "skip": 1, "match": {"body": "Parties"}})
    assert (await erp.batch(op("POST", "/data/Parties", party("A")))).status == 200
    with pytest.raises(CUT):
        await erp.batch(op("POST", "/data/Parties", party("B")))
    assert (await erp.get("/data/Parties('B')")).status == 200


async def test_nonsense_is_answered_after_the_work(erp: Client) -> None:
    await erp.control("faults", {"kind": "nonsense"})
    reply = await erp.post("/data/Parties", party("A"))
    assert (reply.status, reply.body[:6]) == (200, b"<html>")
    assert (await erp.get("/data/Parties('A')")).status == 200


async def test_a_stalled_answer_keeps_nobody_else_waiting(erp: Client) -> None:
    await erp.control("faults", {"kind": "stall", "seconds": 30, "match": {"method": "POST"}})
    stalled = asyncio.create_task(erp.post("/data/Parties", party("A")))

    async def done() -> bool:
        return (await erp.get("/data/Parties('A')")).status == 200

    await eventually(done)
    assert not stalled.done()
    stalled.cancel()


async def test_late_work_is_done_only_after_the_record_was_asked_about(erp: Client) -> None:
    await erp.books()
    for path, doc, ask in (
        ("/data/Parties", party("L"), "/data/Parties('L')"),
        (
            "/data/CustomerPaymentJournals",
            PAYMENT,
            "/data/CustomerPaymentJournals?$filter=PaymentReference%20eq%20'm1'",
        ),
    ):
        await erp.control("faults", {"kind": "late", "seconds": 60, "match": {"method": "POST"}})
        with pytest.raises(CUT):
            await erp.post(path, doc)
        assert (await erp.get("/data/Parties('unrelated')")).status == 404
        assert (await erp.counters())["late_pending"] == 1
        first = await erp.get(ask)
        assert first.status == 404 or first.json["value"] == []
        assert (await erp.counters())["late_pending"] == 0
        second = await erp.get(ask)
        assert second.status == 200
        assert second.json.get("value", [1]) != []


async def test_late_work_of_a_batch_is_done_at_the_latest_when_its_time_is_over(erp: Client) -> None:
    await erp.control("faults", {"kind": "late", "seconds": 0.05, "match": {"path": "batch"}})
    with pytest.raises(CUT):
        await erp.batch(op("POST", "/data/Parties", party("L")))

    async def done() -> bool:
        return (await erp.counters())["effects"] == 1

    await eventually(done)


async def test_asking_inside_a_batch_releases_late_work_too(erp: Client) -> None:
    await erp.control("faults", {"kind": "late", "seconds": 60})
    with pytest.raises(CUT):
        await erp.batch(op("POST", "/data/Parties", party("L")))
    assert statuses(await erp.batch(op("GET", "/data/Parties('L')"))) == [404]
    assert (await erp.get("/data/Parties('L')")).status == 200


async def test_latency_holds_each_answer_but_not_the_others(erp: Client) -> None:
    await erp.control("settings", {"latency_ms": 200})
    began = time.monotonic()
    await asyncio.gather(*[erp.get("/data/Parties") for _ in range(10)])
    assert 0.2 <= time.monotonic() - began < 1.5
    assert (await erp.counters())["in_flight_max"] > 1


async def test_a_token_request_meets_only_faults_that_name_it(erp: Client) -> None:
    await erp.control("faults", {"kind": "status"})
    assert (await erp.sign_in()).status == 200
    await erp.control("faults", {"kind": "status", "match": {"path": "oauth2"}})
    assert (await erp.sign_in()).status == 503


async def test_a_wrong_instruction_is_refused_in_words(erp: Client) -> None:
    for doc in ({"kind": "fire"}, {"kind": "status", "match": {"path": "("}}, {"kind": "late", "colour": 1}):
        reply = await erp.raw("POST", "/_control/faults", data=json.dumps(doc))
        assert reply.status == 400
        assert "error" in reply.json


async def test_reset_empties_everything(erp: Client, sandbox: ErpSandbox) -> None:
    await erp.books()
    await erp.control("reset")
    assert (await erp.get("/data/Parties")).status == 401
    await erp.sign_in()
    assert (await erp.get("/data/Parties")).json["value"] == []
    assert rows(sandbox.settings.record, "SELECT count(*) FROM arrival") == [(0,)]
    assert (await erp.get("/data/SystemParameters")).json["value"][0]["TenantId"] == "contoso-test"


async def test_a_restart_goes_on_from_the_record(tmp_path: Path) -> None:
    record = tmp_path / "erp.sqlite"
    async with aiohttp.ClientSession() as session:
        async with ErpSandbox(record=record, client_secret=SECRET) as first:
            erp = Client(first.url, session)
            await erp.sign_in()
            await erp.books()
            await erp.document("I1", 0.1, 0.2, DueDate=None)
            await erp.post(post_action("I1"))
            await erp.document("I2", 5.0)
            await erp.post("/data/CustomerPaymentJournals", PAYMENT)
            await erp.control(
                "periods", {"dataAreaId": "usmf", "from": "2024-05-01", "to": "2024-05-31", "state": "closed"}
            )
            paths = ["/data/Parties", "/data/CustomersV3", "/data/SalesInvoiceHeaders?$expand=Lines"]
            before = [(await erp.get(path)).json["value"] for path in paths]
        async with ErpSandbox(record=record, client_secret=SECRET) as second:
            erp = Client(second.url, session)
            erp.token = "of the first run"
            assert (await erp.get("/data/Parties")).status == 401
            await erp.sign_in()
            assert [(await erp.get(path)).json["value"] for path in paths] == before
            assert "Period closed." in (await erp.post(post_action("I2"))).why
            assert "already posted" in (await erp.post(post_action("I1"))).why
            made = await erp.post("/data/CustomerPaymentJournals", PAYMENT)
            assert made.json["JournalNumber"] == "CPJ-00000002"
            etag = (await erp.get(header("I2"))).etag
            assert (await erp.patch(header("I2"), {"Note": "n"}, match=etag)).status == 204
    assert rows(record, "SELECT count(*) FROM voucher") == [(3,)]


async def test_a_record_of_another_tenant_is_not_continued(tmp_path: Path) -> None:
    async with ErpSandbox(record=tmp_path / "r", client_secret=SECRET):
        pass
    with pytest.raises(ValueError, match="belongs to tenant"):
        ErpSandbox(record=tmp_path / "r", client_secret=SECRET, tenant="contoso-prod")


async def test_as_a_process_it_says_where_it_listens_and_survives_a_kill(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sandbox.erp",
        "--record",
        str(tmp_path / "r"),
        "--secret-env",
        "ERP_SECRET",
    ]
    command += ["--company", "usmf:USD", "--company", "x1:EUR"]
    for run in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "ERP_SECRET": SECRET})
        assert process.stdout is not None
        line = json.loads(await asyncio.to_thread(process.stdout.readline))
        async with aiohttp.ClientSession() as session:
            erp = Client(line["url"], session)
            await erp.sign_in()
            if run == 0:
                assert (await erp.post("/data/Parties", party("A"))).status == 201
            else:
                assert (await erp.get("/data/Parties('A')")).status == 200
        process.send_signal(signal.SIGKILL if run == 0 else signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == (-signal.SIGKILL if run == 0 else 0)
        process.stdout.close()
