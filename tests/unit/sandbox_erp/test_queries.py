"""Collections: filter, paging, selection."""

from __future__ import annotations

import pytest

from tests.unit.sandbox_erp.client import Client, op


async def parties(erp: Client, count: int) -> None:
    await erp.batch(
        *[
            op(
                "POST",
                "/data/Parties",
                {"PartyNumber": f"P{n:03}", "Name": "even" if n % 2 == 0 else "odd", "City": "O'Fallon"},
            )
            for n in range(count)
        ]
    )


async def follow(erp: Client, path: str) -> list[list[str]]:
    pages = []
    while path:
        reply = await erp.get(path)
        assert reply.status == 200, reply.body
        pages.append([row["PartyNumber"] for row in reply.json["value"]])
        path = reply.json.get("@odata.nextLink", "").removeprefix(erp.url)
    return pages


async def test_pages_are_followed_by_their_links_to_the_end(erp: Client) -> None:
    await parties(erp, 7)
    await erp.control("settings", {"page_size": 3})
    assert [len(page) for page in await follow(erp, "/data/Parties")] == [3, 3, 1]
    filtered = await follow(erp, "/data/Parties?$filter=Name%20eq%20'even'&$select=PartyNumber")
    assert filtered == [["P000", "P002", "P004"], ["P006"]]
    assert [len(page) for page in await follow(erp, "/data/Parties?$top=5")] == [3, 2]
    assert await follow(erp, "/data/Parties?$skip=5") == [["P005", "P006"]]


async def test_a_page_goes_on_where_it_stopped_though_records_went(erp: Client) -> None:
    await parties(erp, 6)
    await erp.control("settings", {"page_size": 3})
    first = await erp.get("/data/Parties")
    await erp.delete("/data/Parties('P001')", match="*")
    rest = await follow(erp, first.json["@odata.nextLink"].removeprefix(erp.url))
    assert rest == [["P003", "P004", "P005"]]


async def test_a_client_may_ask_for_smaller_pages(erp: Client) -> None:
    await parties(erp, 3)
    reply = await erp.call("GET", "/data/Parties", prefer="odata.maxpagesize=2")
    assert len(reply.json["value"]) == 2
    assert "@odata.nextLink" in reply.json


async def test_filters_compare_without_case_and_join_by_and(erp: Client) -> None:
    await parties(erp, 4)
    await erp.books(number="P001")
    for text, count in (
        ("PartyNumber eq 'p001'", 1),
        ("Name eq 'ODD' and City eq 'O''Fallon'", 2),
        ("Name eq 'odd' and City eq 'x'", 0),
        ("IsActive eq Microsoft.Dynamics.DataEntities.NoYes'Yes'", 4),
        ("IsActive eq 'No'", 0),
        ("TaxExemptNumber eq null", 4),
    ):
        path = "/data/Parties?$count=true&$filter=" + text.replace(" ", "%20")
        assert (await erp.get(path)).json["@odata.count"] == count, text
    path = "/data/CustomersV3?$filter=CreditLimit%20eq%200"
    assert len((await erp.get(path)).json["value"]) == 1


@pytest.mark.parametrize(
    "options",
    [
        "$filter=Name%20ne%20'x'",
        "$filter=Name%20eq%20'x'%20or%20City%20eq%20'y'",
        "$filter=Name%20eq%20'x'%20and",
        "$filter=Nmae%20eq%20'x'",
        "$filter=Name%20eq%205",
        "$orderby=Name",
        "$top=-1",
        "$top=1&$top=2",
        "$select=Nmae",
        "$expand=Lines",
        "$count=maybe",
        "company=usmf",
    ],
)
async def test_what_is_not_understood_is_refused(erp: Client, options: str) -> None:
    assert (await erp.get("/data/Parties?" + options)).status == 400
