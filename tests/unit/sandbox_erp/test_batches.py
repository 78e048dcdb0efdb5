"""$batch: order, atomic changesets, stopping and going on, malformed input."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.erp import ErpSandbox
from sandbox.erp.batch import parse_batch
from sandbox.erp.errors import Refused
from sandbox.erp.target import parse_target
from sandbox.erp.writes import Operation
from tests.unit.sandbox_erp.client import Client, changeset, multipart, op, rows, statuses

GO_ON = "odata.continue-on-error"


def party(number: str, cid: str | None = None, **more: Any) -> bytes:
    return op("POST", "/data/Parties", {"PartyNumber": number, "Name": number} | more, cid)


async def test_answers_come_in_order_with_their_content_ids(erp: Client) -> None:
    reply = await erp.batch(
        party("A", "7"),
        changeset(party("B", "8"), op("PATCH", "Parties('A')", {"City": "x"}, "9", If_Match="*")),
        op("GET", "/data/Parties('B')", cid="10"),
        op("GET", f"{erp.url}/data/Parties('A')?$select=City", cid="11"),
    )
    assert reply.status == 200
    assert statuses(reply) == [201, 201, 204, 200, 200]
    assert re.findall(rb"Content-ID: (\d+)", reply.body) == [b"7", b"8", b"9", b"10", b"11"]
    assert b'"City":"x"' in reply.body


async def test_a_changeset_is_all_or_nothing(erp: Client, sandbox: ErpSandbox) -> None:
    await erp.books()
    before = (await erp.get("/data/Parties('C1')")).etag
    reply = await erp.batch(
        changeset(
            op("PATCH", "/data/Parties('C1')", {"Name": "changed"}, "1", If_Match="*"),
            party("N1", "2"),
            op("DELETE", "/data/CustomersV3(dataAreaId='usmf',CustomerAccount='A1')", cid="3"),
            party("N1", "4"),
            party("N2", "5"),
        )
    )
    assert statuses(reply) == [400]
    assert re.findall(rb"Content-ID: (\d+)", reply.body) == [b"4"]
    read = await erp.get("/data/Parties('C1')")
    assert (read.json["Name"], read.etag) == ("Party C1", before)
    assert (await erp.get("/data/Parties('N1')")).status == 404
    assert (await erp.get("/data/CustomersV3(dataAreaId='usmf',CustomerAccount='A1')")).status == 200
    record = sandbox.settings.record
    assert rows(record, "SELECT name FROM party") == [("Party C1",)]
    assert rows(
        record, "SELECT accepted, reason FROM arrival WHERE batch_id IS NOT NULL AND status = 400 ORDER BY id"
    )[3][1].endswith("The record already exists.")
    assert rows(record, "SELECT sum(accepted), count(*) FROM arrival WHERE batch_id IS NOT NULL") == [(0, 5)]
    assert (await erp.counters())["effects"] == 2


async def test_a_batch_stops_at_the_first_failure_unless_told_to_go_on(
    erp: Client, sandbox: ErpSandbox
) -> None:
    wrong = op("PATCH", "/data/Parties('none')", {"Name": "x"}, If_Match="*")
    assert statuses(await erp.batch(party("A"), wrong, party("B"))) == [201, 404]
    assert (await erp.get("/data/Parties('B')")).status == 404
    assert statuses(await erp.batch(party("C"), wrong, party("D"), prefer=GO_ON)) == [201, 404, 201]
    record = sandbox.settings.record
    assert rows(record, "SELECT count(*) FROM arrival WHERE reason LIKE 'not processed%'") == [(1,)]


async def test_more_operations_than_allowed_are_refused_whole(erp: Client) -> None:
    await erp.control("settings", {"max_batch": 2})
    reply = await erp.batch(party("A"), changeset(party("B", "1"), party("C", "2")))
    assert reply.status == 400
    assert "maximum number of operations" in reply.why
    assert (await erp.get("/data/Parties")).json["value"] == []


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: text/plain\r\n\r\nhello",
        b"Content-Type: application/http\r\n\r\nGET /data/Parties HTTP/1.1\r\n\r\n",
        b"no headers",
        op("POST", "/data/$batch", {}),
        op("LIST", "/data/Parties"),
        op("GET", "/data/Parties x"),
        changeset(op("GET", "/data/Parties", cid="1")),
        changeset(party("A")),
        changeset(party("A", "1"), party("B", "1")),
        changeset(),
        changeset(changeset(party("A", "1"), boundary="x")),
    ],
)
async def test_a_malformed_part_refuses_the_whole_batch(
    erp: Client, sandbox: ErpSandbox, part: bytes
) -> None:
    assert (await erp.batch(party("Z", "0"), part)).status == 400
    assert (await erp.get("/data/Parties")).json["value"] == []
    assert rows(sandbox.settings.record, "SELECT entity_set, accepted, status FROM arrival") == [
        ("$batch", 0, 400)
    ]


async def test_a_batch_without_its_closing_boundary_is_refused(erp: Client) -> None:
    headers = {"Authorization": f"Bearer {erp.token}", "Content-Type": "multipart/mixed; boundary=b"}
    body = multipart([party("A")], "b")[:-4]
    assert (await erp.raw("POST", "/data/$batch", data=body, headers=headers)).status == 400


async def test_large_batches_are_done_and_recorded_whole(erp: Client, sandbox: ErpSandbox) -> None:
    assert statuses(await erp.batch(*[party(f"P{n}") for n in range(1000)])) == [201] * 1000
    assert rows(sandbox.settings.record, "SELECT count(*), count(DISTINCT batch_id) FROM effect") == [
        (1000, 1)
    ]
    assert rows(sandbox.settings.record, "SELECT count(*) FROM party") == [(1000,)]


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_bodies_come_out_of_a_batch_as_they_went_in(bodies: list[bytes]) -> None:
    boundary = "0123456789abcdef0123456789abcdef"
    parts = [
        op("POST", f"/data/Parties?n={n}", cid=str(n), Content_Type="application/json") + body
        for n, body in enumerate(bodies)
    ]
    parsed = parse_batch(f"multipart/mixed; boundary={boundary}", multipart(parts, boundary), 100)
    assert [p.body for p in parsed if isinstance(p, Operation)] == bodies
    assert [p.content_id for p in parsed if isinstance(p, Operation)] == [str(n) for n in range(len(bodies))]


def status_of(parse: Callable[..., Any], *arguments: Any, **options: Any) -> int:
    try:
        parse(*arguments, **options)
    except Refused as refusal:
        return refusal.status
    return 200


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_crashes_the_batch_parser(noise: bytes) -> None:
    for body in (noise, b"--b\r\n" + noise + b"\r\n--b--\r\n"):
        assert status_of(parse_batch, "multipart/mixed; boundary=b", body, 100) in (200, 400)


@given(st.text(alphabet="/data()',=%$?PartiesNumber1 'é&", max_size=60))
def test_noise_is_refused_and_never_crashes_the_url_parser(noise: str) -> None:
    for raw in (noise, "/data/Parties" + noise, f"/data/CustomersV3({noise})"):
        assert status_of(parse_target, raw, in_batch=True) in (200, 400, 404)


@given(st.text(min_size=1, max_size=20).filter(lambda s: s.isprintable()))
def test_any_text_is_a_key_when_quoted_as_the_vendor_says(text: str) -> None:
    raw = f"/data/CustomersV3(CustomerAccount='{quote(text.replace(chr(39), chr(39) * 2), safe='')}',dataAreaId='usmf')"
    assert parse_target(raw).values == ("usmf", text)
