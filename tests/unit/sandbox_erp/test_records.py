"""Master records: create, change, delete, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import Client, rows

C1 = "/data/Parties(PartyNumber='C1')"
A1 = "/data/CustomersV3(dataAreaId='usmf',CustomerAccount='A1')"


async def test_a_created_party_is_answered_whole_with_its_token_and_place(erp: Client) -> None:
    made = await erp.post("/data/Parties", {"PartyNumber": "C1", "Name": "Contoso", "City": None})
    assert made.status == 201
    assert made.json["City"] == ""
    assert made.json["IsActive"] == "Yes"
    assert made.json["@odata.etag"] == made.etag
    read = await erp.raw(
        "GET",
        made.headers["Location"].removeprefix(erp.url),
        headers={"Authorization": f"Bearer {erp.token}"},
    )
    assert read.json["Name"] == "Contoso"


async def test_a_minimal_create_answers_only_where_the_record_is(erp: Client) -> None:
    made = await erp.post("/data/Parties", {"PartyNumber": "O'Neil/1", "Name": "x"}, prefer="return=minimal")
    assert (made.status, made.body) == (204, b"")
    assert made.headers["OData-EntityId"].endswith("Parties(PartyNumber='O''Neil%2F1')")
    assert (await erp.get("/data/Parties('O''Neil%2F1')")).json["PartyNumber"] == "O'Neil/1"


async def test_a_second_create_with_the_key_is_refused_whatever_its_case(erp: Client) -> None:
    await erp.books()
    again = await erp.post("/data/Parties", {"PartyNumber": "c1", "Name": "Other"})
    assert again.status == 400
    assert "Infolog: Error:" in again.why
    assert "The record already exists." in again.why
    assert (await erp.get("/data/Parties('c1')")).json["Name"] == "Party C1"


async def test_a_patch_never_creates(erp: Client) -> None:
    assert (await erp.patch("/data/Parties('C9')", {"Name": "x"}, match="*")).status == 404


async def test_a_patch_needs_the_version_it_was_made_from(erp: Client) -> None:
    made = await erp.post("/data/Parties", {"PartyNumber": "C1", "Name": "a"})
    assert (await erp.patch(C1, {"Name": "b"})).status == 428
    changed = await erp.patch(C1, {"Name": "b"}, match=made.etag)
    assert (changed.status, changed.body) == (204, b"")
    assert changed.etag != made.etag
    assert (await erp.patch(C1, {"Name": "c"}, match=made.etag)).status == 412
    assert (await erp.delete(C1, match=made.etag)).status == 412
    assert (await erp.get(C1)).json["Name"] == "b"
    assert (await erp.delete(C1, match=changed.etag)).status == 204
    assert (await erp.get(C1)).status == 404


async def test_a_customer_account_has_a_key_but_no_version(erp: Client) -> None:
    await erp.books()
    changed = await erp.patch(A1, {"CreditLimit": 1500.25, "PaymentTermsName": "Net30"})
    assert changed.status == 204
    assert "ETag" not in changed.headers
    read = await erp.get(A1)
    assert read.json["CreditLimit"] == 1500.25
    assert "@odata.etag" not in read.json
    changed = await erp.patch(A1, {"OnHold": "Yes"}, prefer="return=representation")
    assert (changed.status, changed.json["OnHold"]) == (200, "Yes")


@pytest.mark.parametrize(
    ("doc", "words"),
    [
        ({"Nmae": "x"}, "'Nmae' does not exist on type"),
        ({"Name": 5}, "Cannot convert the literal '5' to the expected type 'Edm.String' for property 'Name'"),
        ({"Name": "x" * 101}, "'Name' is too long"),
        ({"Name": ""}, "'Name' must be filled in"),
        ({"Name": "a\x00b"}, "invalid character"),
        ({"IsActive": True}, "NoYes"),
        ({"IsActive": "yes"}, "NoYes"),
        ({"PartyNumber": "C2"}, "key property 'PartyNumber' cannot be changed"),
        ({"ParentPartyNumber": "C9"}, "'ParentPartyNumber' is not found in the related table 'Parties'"),
        ([], "one JSON object"),
        (b"{", "not valid JSON"),
    ],
)
async def test_a_body_that_does_not_fit_a_party_is_refused_by_name(erp: Client, doc: Any, words: str) -> None:
    await erp.books()
    reply = await erp.patch(C1, doc, match="*")
    assert reply.status == 400
    assert words in reply.why


@pytest.mark.parametrize(
    ("doc", "words"),
    [
        ({"CreditLimit": "12.5"}, "Edm.Decimal"),
        ({"CreditLimit": 1.005}, "more than 2 decimals"),
        ({"CreditLimit": 1e13}, "out of range"),
        ({"CreditLimit": True}, "Edm.Decimal"),
        ({"PaymentTermsName": "Net31"}, "PaymentTermsName"),
        ({"PartyNumber": "nobody"}, "related table 'Parties'"),
    ],
)
async def test_a_body_that_does_not_fit_an_account_is_refused_by_name(
    erp: Client, doc: Any, words: str
) -> None:
    await erp.books()
    reply = await erp.patch(A1, doc)
    assert reply.status == 400
    assert words in reply.why


async def test_a_create_names_what_is_missing(erp: Client) -> None:
    reply = await erp.post("/data/Parties", {"PartyNumber": "C1"})
    assert (reply.status, "'Name' must be filled in" in reply.why) == (400, True)
    unknown = {"dataAreaId": "zzzz", "CustomerAccount": "A", "PartyNumber": "C", "SalesCurrencyCode": "USD"}
    assert "LegalEntities" in (await erp.post("/data/CustomersV3", unknown)).why


async def test_a_body_must_be_declared_json(erp: Client) -> None:
    headers = {"Authorization": f"Bearer {erp.token}", "Content-Type": "text/plain"}
    assert (await erp.raw("POST", "/data/Parties", data=b"{}", headers=headers)).status == 415


async def test_a_party_may_be_its_own_parent_and_two_may_name_each_other(erp: Client) -> None:
    assert (
        await erp.post("/data/Parties", {"PartyNumber": "S", "Name": "s", "ParentPartyNumber": "S"})
    ).status == 201
    await erp.post("/data/Parties", {"PartyNumber": "A", "Name": "a", "ParentPartyNumber": "S"})
    await erp.post("/data/Parties", {"PartyNumber": "B", "Name": "b", "ParentPartyNumber": "A"})
    assert (await erp.patch("/data/Parties('A')", {"ParentPartyNumber": "B"}, match="*")).status == 204


async def test_a_record_others_depend_on_cannot_be_deleted(erp: Client) -> None:
    await erp.books()
    assert "dependent CustomersV3" in (await erp.delete(C1, match="*")).why
    assert (await erp.delete(A1)).status == 204
    assert (await erp.delete(C1, match="*")).status == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/data/Partys", 404),
        ("GET", "/data/parties", 404),
        ("GET", "/api/data", 404),
        ("GET", "/data/Parties(C1)", 400),
        ("GET", "/data/Parties(PartyNumber=1)", 400),
        ("GET", "/data/Parties(PartyNumber='C1', x='y')", 400),
        ("GET", "/data/Parties()", 400),
        ("GET", "/data/CustomersV3('A1')", 400),
        ("GET", "/data/CustomersV3(dataAreaId='usmf')", 400),
        ("GET", "/data/CustomersV3(dataAreaId='usmf',dataAreaId='usmf')", 400),
        ("GET", "/data/CustomersV3(CustomerAccount='A1',dataAreaId='usmf')", 200),
        ("GET", "/data/CustomersV3(dataAreaId=%27usmf%27,CustomerAccount=%27A1%27)", 200),
        ("GET", "/data/Parties%FF", 400),
        (
            "GET",
            "/data/SalesInvoiceLines(dataAreaId='usmf',InvoiceNumber='I',LineNumber=99999999999999999999)",
            400,
        ),
        ("PATCH", "/data/Parties('\udcff')", 404),
        ("PUT", "/data/Parties('C1')", 405),
        ("PATCH", "/data/Parties", 405),
        ("POST", "/data/Parties('C1')", 405),
        ("POST", "/data/Parties('C1')/Microsoft.Dynamics.DataEntities.Post", 404),
        ("POST", "/data/Parties?$top=1", 400),
    ],
)
async def test_urls_are_parsed_strictly(erp: Client, method: str, path: str, status: int) -> None:
    await erp.books()
    reply = await erp.call(method, path.replace(" ", "%20"), None if method == "GET" else {})
    assert reply.status == status
    if status >= 400:
        assert set(reply.json["error"]) == {"code", "message", "innererror"}


async def test_another_company_is_only_there_cross_company(erp: Client) -> None:
    await erp.books(account="D1", company="demf")
    path = "/data/CustomersV3(dataAreaId='demf',CustomerAccount='D1')"
    assert (await erp.get(path)).status == 404
    assert (await erp.patch(path, {"OnHold": "Yes"})).status == 404
    assert (await erp.get("/data/CustomersV3")).json["value"] == []
    assert (await erp.patch(path + "?cross-company=true", {"OnHold": "Yes"})).status == 204
    assert (await erp.get(path + "?cross-company=true")).json["OnHold"] == "Yes"
    assert len((await erp.get("/data/CustomersV3?cross-company=true")).json["value"]) == 1


async def test_the_record_holds_every_arrival_and_the_state_in_exact_money(
    erp: Client, sandbox: ErpSandbox
) -> None:
    await erp.books()
    await erp.patch(A1, {"CreditLimit": 1234567.89})
    await erp.patch(A1, {"CreditLimit": "no"})
    record = sandbox.settings.record
    assert rows(
        record, "SELECT method, entity_set, record_key, accepted, status FROM arrival ORDER BY id"
    ) == [
        ("POST", "Parties", '{"PartyNumber":"C1"}', 1, 201),
        ("POST", "CustomersV3", '{"dataAreaId":"usmf","CustomerAccount":"A1"}', 1, 201),
        ("PATCH", "CustomersV3", '{"dataAreaId":"usmf","CustomerAccount":"A1"}', 1, 204),
        ("PATCH", "CustomersV3", '{"dataAreaId":"usmf","CustomerAccount":"A1"}', 0, 400),
    ]
    assert rows(record, "SELECT count(*) FROM effect") == [(3,)]
    assert rows(record, "SELECT credit_limit_cents, version FROM customer_account") == [(123456789, 2)]
    assert rows(record, "SELECT count(DISTINCT digest), min(client) FROM arrival") == [(4, "coexist-test")]
