"""A plain HTTP client for these tests: requests as a person would write them from RULES.md, no connector."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from yarl import URL

SECRET = "s3cret"
HOME = {"dataAreaId": "usmf"}


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # case-insensitive
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def why(self) -> str:
        """The inner error message."""
        return str(self.json["error"]["innererror"]["message"])

    @property
    def etag(self) -> str:
        return self.headers["ETag"]


class Client:
    """One signed-in client."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.token = ""

    async def sign_in(self, **form: str) -> Reply:
        fields = {
            "grant_type": "client_credentials",
            "client_id": "coexist-test",
            "client_secret": SECRET,
            "scope": "https://erp.example/.default",
        }
        reply = await self.raw("POST", "/contoso-test/oauth2/v2.0/token", data=fields | form)
        if reply.status == 200:
            self.token = reply.json["access_token"]
        return reply

    async def raw(self, method: str, path: str, **options: Any) -> Reply:
        async with self.session.request(method, URL(self.url + path, encoded=True), **options) as response:
            return Reply(response.status, response.headers, await response.read())

    async def call(
        self, method: str, path: str, doc: Any = None, *, match: str | None = None, prefer: str | None = None
    ) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"}
        if match is not None:
            headers["If-Match"] = match
        if prefer is not None:
            headers["Prefer"] = prefer
        body = None
        if doc is not None:
            headers["Content-Type"] = "application/json"
            body = doc if isinstance(doc, bytes) else orjson.dumps(doc)
        return await self.raw(method, path, data=body, headers=headers)

    async def get(self, path: str) -> Reply:
        return await self.call("GET", path)

    async def post(self, path: str, doc: Any = None, **options: Any) -> Reply:
        return await self.call("POST", path, {} if doc is None else doc, **options)

    async def patch(self, path: str, doc: Any, **options: Any) -> Reply:
        return await self.call("PATCH", path, doc, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.call("DELETE", path, **options)

    async def control(self, what: str, doc: Any = None, method: str = "POST") -> Any:
        reply = await self.raw(method, f"/_control/{what}", data=orjson.dumps(doc or {}))
        assert reply.status == 200, reply.body
        return reply.json

    async def counters(self) -> dict[str, int]:
        return await self.control("counters", method="GET")  # type: ignore[no-any-return]

    async def batch(self, *parts: bytes, prefer: str | None = None, boundary: str = "outer") -> Reply:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": f"multipart/mixed; boundary={boundary}",
        }
        if prefer is not None:
            headers["Prefer"] = prefer
        return await self.raw("POST", "/data/$batch", data=multipart(parts, boundary), headers=headers)

    async def books(self, number: str = "C1", account: str = "A1", company: str = "usmf") -> None:
        """A party with an account."""
        made = await self.post("/data/Parties", {"PartyNumber": number, "Name": f"Party {number}"})
        assert made.status in (201, 400)
        made = await self.post(
            "/data/CustomersV3",
            {
                "dataAreaId": company,
                "CustomerAccount": account,
                "PartyNumber": number,
                "SalesCurrencyCode": "USD",
            },
        )
        assert made.status == 201, made.body

    async def document(self, number: str, *amounts: float, total: float | None = None, **more: Any) -> Reply:
        """An invoice with lines in one changeset."""
        return await self.batch(changeset(*document(number, *amounts, total=total, **more)))


def multipart(parts: tuple[bytes, ...] | list[bytes], boundary: str) -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def op(method: str, target: str, doc: Any = None, cid: str | None = None, **headers: str) -> bytes:
    """One application/http part."""
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    if cid is not None:
        head += f"Content-ID: {cid}\r\n"
    inner = f"{method} {target} HTTP/1.1\r\n"
    for name, value in headers.items():
        inner += f"{name.replace('_', '-')}: {value}\r\n"
    body = b""
    if doc is not None:
        inner += "Content-Type: application/json\r\n"
        body = orjson.dumps(doc)
    return (head + "\r\n" + inner + "\r\n").encode() + body


def changeset(*parts: bytes, boundary: str = "inner") -> bytes:
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + multipart(parts, boundary)


def document(number: str, *amounts: float, total: float | None = None, **more: Any) -> list[bytes]:
    header = HOME | {
        "InvoiceNumber": number,
        "InvoiceAccount": "A1",
        "InvoiceDate": "2024-05-01",
        "CurrencyCode": "USD",
        "TotalAmount": round(sum(amounts), 2) if total is None else total,
    }
    parts = [op("POST", "/data/SalesInvoiceHeaders", header | more, "1")]
    for at, amount in enumerate(amounts, 1):
        line = HOME | {"InvoiceNumber": number, "LineNumber": at, "LineAmount": amount}
        parts.append(op("POST", "/data/SalesInvoiceLines", line, str(at + 1)))
    return parts


def header(number: str) -> str:
    return f"/data/SalesInvoiceHeaders(dataAreaId='usmf',InvoiceNumber='{number}')"


def post_action(number: str) -> str:
    return header(number) + "/Microsoft.Dynamics.DataEntities.Post"


def statuses(reply: Reply) -> list[int]:
    """The inner statuses of a batch answer, in order."""
    return [int(s) for s in re.findall(rb"^HTTP/1\.1 (\d{3}) ", reply.body, re.MULTILINE)]


def rows(record: Path, sql: str) -> list[tuple[Any, ...]]:
    """Hand-written SQL on the record."""
    with sqlite3.connect(f"file:{record}?mode=ro", uri=True) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found
