"""Tokens, the pinned tenant and the shape of every answer."""

from __future__ import annotations

import pytest

from tests.unit.sandbox_erp.client import Client, rows


async def test_a_right_secret_gets_a_bearer_token(erp: Client) -> None:
    reply = await erp.sign_in()
    assert reply.json["token_type"] == "Bearer"
    assert reply.json["expires_in"] == 3600


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "stranger"}, 400, "unauthorized_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "openid"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_token_request_is_refused_in_entras_words(
    erp: Client, form: dict[str, str], status: int, error: str
) -> None:
    reply = await erp.sign_in(**form)
    assert (reply.status, reply.json["error"]) == (status, error)


async def test_another_tenants_token_endpoint_is_unknown(erp: Client) -> None:
    reply = await erp.raw("POST", "/production/oauth2/v2.0/token", data={"grant_type": "client_credentials"})
    assert reply.status == 400
    assert "AADSTS90002" in reply.json["error_description"]


async def test_without_a_good_token_every_data_request_is_challenged(erp: Client) -> None:
    reply = await erp.raw("GET", "/data/Parties")
    assert (reply.status, reply.body) == (401, b"")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")
    await erp.control("tokens/expire")
    assert (await erp.get("/data/Parties")).status == 401
    await erp.sign_in()
    assert (await erp.get("/data/Parties")).status == 200


async def test_a_token_runs_out(erp: Client) -> None:
    await erp.control("settings", {"token_seconds": 0})
    await erp.sign_in()
    assert (await erp.get("/data/Parties")).status == 401


async def test_an_unauthorised_write_is_recorded_as_arrived_and_not_accepted(erp: Client, sandbox) -> None:  # type: ignore[no-untyped-def]
    await erp.raw("POST", "/data/Parties", data=b"{}")
    assert rows(sandbox.settings.record, "SELECT entity_set, accepted, status FROM arrival") == [
        ("Parties", 0, 401)
    ]


async def test_every_answer_names_the_tenant(erp: Client) -> None:
    for path in ("/data/Parties", "/data/Nothing", "/data/SystemParameters"):
        assert (await erp.get(path)).headers["x-ms-tenant-id"] == "contoso-test"
    assert (await erp.get("/data/SystemParameters")).json["value"][0]["TenantId"] == "contoso-test"


async def test_the_service_document_and_metadata_name_the_sets(erp: Client) -> None:
    names = [entry["name"] for entry in (await erp.get("/data")).json["value"]]
    assert "CustomersV3" in names
    assert b'<EntitySet Name="CustomersV3"' in (await erp.get("/data/$metadata")).body


async def test_legal_entities_are_read_only(erp: Client) -> None:
    assert [e["LegalEntityId"] for e in (await erp.get("/data/LegalEntities")).json["value"]] == [
        "usmf",
        "demf",
        "gbsi",
    ]
    assert (await erp.post("/data/LegalEntities", {"LegalEntityId": "xx"})).status == 405
