"""The sandbox on its socket: tokens, throttling, faults and the control plane around the service."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from sandbox.erp.auth import Tokens
from sandbox.erp.batch import parse_batch
from sandbox.erp.config import Settings
from sandbox.erp.control import Control
from sandbox.erp.errors import Refused, error_body, no_resource
from sandbox.erp.faults import Fault, Faults, Touched, touched
from sandbox.erp.reads import JSON, Answer
from sandbox.erp.service import Context, Service
from sandbox.erp.target import parse_target
from sandbox.erp.throttle import Throttle
from sandbox.erp.writes import Operation

_LARGEST_BODY = 64 * 1024**2


class Late:
    """A request whose client was cut off and whose work is still to be done."""

    def __init__(self, op: Operation, context: Context, about: list[Touched]) -> None:
        self.op = op
        self.context = context
        self.about = about
        self.deadline: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        """Do not do it at its deadline."""
        if self.deadline is not None:
            self.deadline.cancel()


class ErpSandbox:
    """One pretend tenant; `async with ErpSandbox(record=…, client_secret=…) as erp: erp.url`."""

    def __init__(self, *, record: Path | str, client_secret: str, **settings: Any) -> None:
        self.settings = Settings(record=record, client_secret=client_secret, **settings)
        self.faults = Faults()
        self.service = Service(self.settings, self.faults)
        self.tokens = Tokens(self.settings)
        self.throttle = Throttle(self.settings)
        self.control = Control(self)
        self.counters: Counter[str] = Counter()
        self.in_flight = 0
        self.late: list[Late] = []
        self.url = ""
        self.port = 0
        self._requests = 0
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> ErpSandbox:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on the configured port, or on a free one."""
        server = web.Server(self._handle, request_factory=_request, access_log=None, keepalive_timeout=3600.0)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = self.settings.public_url or f"http://{self.settings.host}:{self.port}"
        self.service.serve_at(self.url)

    async def stop(self) -> None:
        """Stop listening; work that was to be done late is forgotten, the record is closed."""
        for late in self.late:
            late.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        self.service.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read() if request.body_exists else b""
        raw = request.raw_path
        if raw.startswith("/_control/"):
            status, answer = self.control.answer(request.method, raw, body)
            return web.Response(status=status, body=answer, content_type="application/json")
        self.in_flight += 1
        self.counters["in_flight_max"] = max(self.counters["in_flight_max"], self.in_flight)
        try:
            return await self._serve(request, raw, body)
        finally:
            self.in_flight -= 1

    async def _serve(self, request: web.BaseRequest, raw: str, body: bytes) -> web.StreamResponse:
        self._requests += 1
        self.counters["requests"] += 1
        request_id = f"{self._requests:08d}"
        fault = self.faults.take(request.method, raw, body) if self.faults.all else None
        if "/oauth2/" in raw:
            return await self._token(request, raw, body, fault, request_id)
        if not raw.isascii():
            raw = raw.encode("utf-8", "replace").decode()  # no lone surrogates further in
        headers = {name.lower(): value for name, value in request.headers.items()}
        op = Operation(request.method, raw, headers, body)
        client = self.tokens.client_of(headers.get("authorization", ""))
        context = Context(request_id, client or "", time.time())
        if client is None:
            self.counters["unauthorised"] += 1
            return self._turned_away(op, context, 401, "unauthorised", [self.tokens.challenge()], b"")
        refusal = self.throttle.check()
        if refusal is not None:
            return self._throttled(op, context, refusal)
        if fault is not None:
            return await self._faulty(request, op, context, fault)
        return self._response(await self._work(op, context), request_id)

    async def _work(self, op: Operation, context: Context) -> Answer:
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)
        answer = self._perform(op, context)
        if self.late and self.service.asked:
            self._release(list(self.service.asked))
        return answer

    def _perform(self, op: Operation, context: Context) -> Answer:
        if not op.raw.startswith("/data"):
            refusal = no_resource(op.raw)
            return 404, [JSON], refusal.body()
        return self.service.handle(op, context)

    def _response(self, answer: Answer, request_id: str) -> web.Response:
        status, headers, body = answer
        return web.Response(status=status, body=body, headers=self._headers(headers, request_id))

    def _headers(self, headers: list[tuple[str, str]], request_id: str) -> CIMultiDict[str]:
        return CIMultiDict(
            [
                *headers,
                ("OData-Version", "4.0"),
                ("x-ms-tenant-id", self.settings.tenant),
                ("x-ms-request-id", request_id),
            ]
        )

    def _turned_away(
        self,
        op: Operation,
        context: Context,
        status: int,
        reason: str,
        headers: list[tuple[str, str]],
        body: bytes,
    ) -> web.Response:
        self.service.refused(op, context, status, reason)
        return self._response((status, headers, body), context.request_id)

    def _throttled(self, op: Operation, context: Context, refusal: Refused) -> web.Response:
        headers = [JSON, *refusal.headers]
        return self._turned_away(op, context, 429, "throttled", headers, refusal.body())

    async def _token(
        self,
        request: web.BaseRequest,
        raw: str,
        body: bytes,
        fault: Fault | None,
        request_id: str,
    ) -> web.StreamResponse:
        parts = raw.partition("?")[0].split("/")
        if request.method != "POST" or parts[2:] != ["oauth2", "v2.0", "token"]:
            return self._response((404, [JSON], error_body("Not found.")), request_id)
        if fault is not None and fault.kind in ("drop_before", "drop_after", "late"):
            return _cut(request)
        if fault is not None and fault.kind == "status":
            refusal = fault.refusal()
            return self._response((fault.status, [JSON, *refusal.headers], refusal.body()), request_id)
        if fault is not None and fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        answer = self.tokens.answer(parts[1], body)
        if fault is not None and fault.kind == "nonsense":
            answer = _nonsense()
        return self._response(answer, request_id)

    async def _faulty(
        self,
        request: web.BaseRequest,
        op: Operation,
        context: Context,
        fault: Fault,
    ) -> web.StreamResponse:
        """A request that met a fault: what is done of it, and what its client sees."""
        kind = fault.kind
        if kind == "late":
            self._postpone(op, context, fault.seconds)
            return _cut(request)
        works = fault.work if kind in ("status", "nonsense") else kind != "drop_before"
        answer = await self._work(op, context) if works else None
        refusal = fault.refusal()
        if answer is None:
            status = fault.status if kind == "status" else 0
            self.service.refused(op, context, status, f"fault: {kind}")
            if status == 429:
                self.throttle.told(fault.retry_after)
        if kind in ("drop_before", "drop_after"):
            return _cut(request)
        if kind == "stall":
            await asyncio.sleep(fault.seconds)
        if kind == "truncate_body" and answer is not None:
            return self._truncated(request, answer, context.request_id)
        if kind == "nonsense":
            answer = _nonsense()
        elif kind == "status" or answer is None:
            answer = (fault.status, [JSON, *refusal.headers], refusal.body())
        return self._response(answer, context.request_id)

    def _truncated(self, request: web.BaseRequest, answer: Answer, request_id: str) -> web.StreamResponse:
        """Promise the whole body, send half of it, cut."""
        status, headers, body = answer
        lines = "".join(f"{k}: {v}\r\n" for k, v in self._headers(headers, request_id).items())
        head = f"HTTP/1.1 {status} Truncated\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        sent = head.encode("latin-1", "replace") + body[: len(body) // 2]
        if not body:
            sent = sent[: len(sent) // 2]  # an answer without a body is cut within its head
        if request.transport is not None:
            request.transport.write(sent)
            request.transport.close()
        return web.Response()

    def _postpone(self, op: Operation, context: Context, seconds: float) -> None:
        late = Late(op, context, _about(op, self.settings.max_batch))
        late.deadline = asyncio.get_running_loop().call_later(seconds, self._catch_up, late)
        self.late.append(late)

    def _release(self, asked: list[Any]) -> None:
        for late in list(self.late):
            if any(about.asked_by(target) for about in late.about for target in asked):
                self._catch_up(late)

    def _catch_up(self, late: Late) -> None:
        if late in self.late:
            self.late.remove(late)
            late.cancel()
            self._perform(late.op, Context(late.context.request_id, late.context.client, time.time()))

    def reset(self) -> None:
        """An empty tenant: no records, faults, tokens, counts."""
        for late in self.late:
            late.cancel()
        self.late.clear()
        self.faults.clear()
        self.counters.clear()
        self.throttle = Throttle(self.settings)
        self.tokens = Tokens(self.settings)
        self.service.reset()


def _about(op: Operation, limit: int) -> list[Touched]:
    """The records a postponed request will touch."""
    if op.raw.partition("?")[0] != "/data/$batch":
        operations = [op]
    else:
        try:
            parts = parse_batch(op.header("content-type"), op.body, limit)
        except Refused:
            return []
        operations = [inner for part in parts for inner in (part if isinstance(part, list) else [part])]
    found = []
    for operation in operations:
        try:
            about = touched(parse_target(operation.raw, in_batch=operation.in_batch), _loads(operation.body))
        except Refused:
            continue
        if about is not None:
            found.append(about)
    return found


def _loads(body: bytes) -> dict[str, Any]:
    try:
        doc = orjson.loads(body)
    except ValueError:
        return {}
    return doc if isinstance(doc, dict) else {}


def _nonsense() -> Answer:
    return 200, [("Content-Type", "text/html")], b"<html><body><h1>It works!</h1>{not json</body></html>"


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=_LARGEST_BODY
    )
