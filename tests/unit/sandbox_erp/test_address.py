"""Where a sandbox listens, and what its links begin with."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import SECRET, Client


async def test_links_begin_with_the_address_that_others_reach_it_by(tmp_path: Path) -> None:
    async with ErpSandbox(
        record=tmp_path / "erp.sqlite", client_secret=SECRET, page_size=1, host="127.0.0.2", public_url="http://erp.example:8900"
    ) as erp:
        assert erp.url == "http://erp.example:8900"
        async with aiohttp.ClientSession() as session:
            client = Client(f"http://127.0.0.2:{erp.port}", session)
            await client.sign_in()
            for number in ("C1", "C2"):
                await client.books(number, f"A{number}")
            answer = await client.get("/data/Parties")
    assert answer.json["@odata.nextLink"].startswith("http://erp.example:8900/data/Parties")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.3"])
async def test_without_such_an_address_they_begin_with_the_one_it_listens_at(host: str, tmp_path: Path) -> None:
    async with ErpSandbox(record=tmp_path / "erp.sqlite", client_secret=SECRET, host=host) as erp:
        assert erp.url == f"http://{host}:{erp.port}"
