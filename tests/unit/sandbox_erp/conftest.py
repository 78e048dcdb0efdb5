"""A sandbox of its own for each test, in process, with a signed-in client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import SECRET, Client


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[ErpSandbox]:
    async with ErpSandbox(record=tmp_path / "erp.sqlite", client_secret=SECRET) as running:
        yield running


@pytest_asyncio.fixture
async def erp(sandbox: ErpSandbox) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(sandbox.url, session)
        await client.sign_in()
        yield client
