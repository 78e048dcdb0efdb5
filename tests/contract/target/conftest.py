"""Targets the contract suite runs over. Each offers the port and a way to make its server misbehave."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from agent.apply.target import HttpTarget
from agent.model.commands import Action, Call, CallResult, Json, RecordKey
from agent.model.ids import CallId, CommandId, EntityId, ObjectName, TargetName
from agent.profile import digest, marker_of, native_document, normalise, render_external_key
from cdc_config.base import SecretRef
from cdc_config.loader import load_profile
from cdc_config.models import ClientCredentials, TargetConfig
from cdc_config.profile import Limits
from sandbox.erp import ErpSandbox

SECRET = "the-client-secret-of-the-test"
TENANT = "contoso-test"
LE = {"US01": "usmf", "DE01": "demf"}
PROFILE = load_profile("d365fo")


class RecordingObserver:
    """Keeps everything the target says about itself."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        self.lines.append(f"{name} {value} {labels}")

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.lines.append(f"{name} {value} {labels}")

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.lines.append(f"{name} {value} {labels}")

    def event(self, level: str, message: str, **fields: object) -> None:
        self.lines.append(f"{level} {message} {fields}")


class Estate:
    """A sandbox and targets connected to it."""

    def __init__(self, url: str, record: Path) -> None:
        self.url = url
        self.record = record
        self.secret = SECRET
        self.observer = RecordingObserver()
        self.opened: list[HttpTarget] = []
        self._numbers = itertools.count(1)
        self.target = self.connect()

    def connect(self, url: str | None = None, **changes: Any) -> HttpTarget:
        """Another target at the same sandbox (or somewhere else), with other limits or another tenant."""
        limits = {"timeout_seconds": 5.0, "concurrency": 4, **changes.pop("limits", {})}
        config = TargetConfig(
            profile="d365fo",
            base_url=url or self.url,
            tenant=changes.pop("tenant", TENANT),
            auth=ClientCredentials(
                token_url=f"{self.url}/{TENANT}/oauth2/v2.0/token",
                client_id="app",
                client_secret=SecretRef(env="UNUSED"),
                scope=f"{self.url}/.default",
            ),
            objects={},
            limits=Limits(**limits),
            legal_entities=LE,
        )
        target = HttpTarget("erp", config, PROFILE, lambda ref: self.secret, self.observer)
        self.opened.append(target)
        return target

    async def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """The sandbox's control plane."""
        async with aiohttp.ClientSession() as session:
            async with session.request(method, f"{self.url}/_control/{path}", json=body) as response:
                assert response.status == 200, await response.text()
                return await response.json()

    async def fault(self, kind: str, **more: Any) -> None:
        await self.control("faults", {"kind": kind, "match": {"path": "^/data"}, **more})

    def effects(self, entity_set: str) -> list[tuple[Any, ...]]:
        """Accepted writes, from the sandbox's own record."""
        with sqlite3.connect(self.record) as db:
            return db.execute(
                "SELECT method, record_key, body FROM effect WHERE entity_set = ? ORDER BY id", (entity_set,)
            ).fetchall()

    def call(self, object_name: str, action: Action, **fields: Any) -> Call:
        number = next(self._numbers)
        key = RecordKey(TargetName("erp"), ObjectName(object_name), EntityId(UUID(int=number)))
        fields = {"external_key": {}, "body": {}, **fields}
        fields["digest"] = digest(fields["external_key"], fields["body"])
        return Call(CallId(number), CommandId(number), key, action, **fields)

    def create(self, object_name: str, wanted: Json, **options: Any) -> Call:
        """A create of what is wanted, made by the profile as the planner makes it."""
        obj = PROFILE.objects[object_name]
        key = render_external_key(obj, wanted, LE)
        marker = options.get("marker")
        document = native_document(obj, key, normalise(obj, wanted), LE, **options)
        return self.call(
            object_name, Action.CREATE, external_key=key, body=document.body, children=document.children,
            marker=marker,
        )  # fmt: skip

    def customer(self, number: str, **fields: Any) -> Call:
        return self.create("customer", {"external_number": number, "name": f"Customer {number}", **fields})

    def account(self, number: str) -> Call:
        wanted = {"external_number": number, "customer": number, "legal_entity": "US01", "currency": "USD"}
        return self.create("customer_account", wanted)

    def invoice(self, number: str, *amounts: str, total: str | None = None, **options: Any) -> Call:
        lines = [
            {"line_number": n, "quantity": Decimal(1), "unit_price": Decimal(a), "amount": Decimal(a)}
            for n, a in enumerate(amounts, 1)
        ]
        wanted = {
            "external_number": number, "legal_entity": "US01", "customer": "C1", "invoice_date": "2024-05-01",
            "currency": "USD", "net_total": Decimal(total or sum(map(Decimal, amounts))), "lines": lines,
        }  # fmt: skip
        return self.create("invoice", wanted, **options)

    def payment(self, entity: int, amount: str, *allocations: tuple[str, str]) -> Call:
        wanted = {
            "legal_entity": "US01", "customer": "C1", "payment_date": "2024-05-02", "currency": "USD",
            "amount": Decimal(amount),
            "allocations": [{"invoice": i, "amount": Decimal(a)} for i, a in allocations],
        }  # fmt: skip
        return self.create("payment", wanted, marker=marker_of(UUID(int=entity)))

    async def sent(self, *calls: Call) -> list[CallResult]:
        return await self.target.send(calls)

    async def with_customer(self) -> None:
        """Customer C1 with its account."""
        for call in (self.customer("C1"), self.account("C1")):
            (result,) = await self.sent(call)
            assert result.kind == "accepted", result


@pytest.fixture
async def erp(tmp_path: Path) -> AsyncIterator[Estate]:
    record = tmp_path / "erp.sqlite"
    async with ErpSandbox(record=record, client_secret=SECRET, tenant=TENANT, client_id="app") as sandbox:
        estate = Estate(sandbox.url, record)
        yield estate
        for target in estate.opened:
            await target.close()
        shown = json.dumps(estate.observer.lines) + repr(estate.opened)
        assert SECRET not in shown
