"""The Target port over HTTP: a profile, its protocol, pacing and authorisation, put together."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from agent.apply.auth.client_credentials import Resolve
from agent.apply.pacing.backoff import delay
from agent.apply.pacing.clock import Clock, SystemClock
from agent.apply.pacing.gate import Gate, GateClosed
from agent.apply.protocols.classify import retry_after
from agent.apply.protocols.messages import Answer, Operation
from agent.apply.protocols.multipart import CONTENT_TYPE, build_batch
from agent.apply.protocols.odata_v4 import ODataV4, Planned, halves, unknown
from agent.apply.transport import NotSent, ReplyLost, Transport
from agent.errors import CoexistError, Disposition, PolicyRefused, TargetError, TargetUnavailable
from agent.model.commands import Action, Call, CallResult, Found, Json, RecordKey, ResultKind
from agent.model.ids import ObjectName
from agent.ports import Observer
from cdc_config import secrets
from cdc_config.models import TargetConfig
from cdc_config.profile import Profile

_READ_PATIENCE = 60.0  # a question waits this long for a closed gate; a write is handed back at once
_READ_ATTEMPTS = 4
_PAGE = "odata.maxpagesize=2000"
_MISPLACED = (401, 403, 404, 405)  # for a whole batch: the address or our rights are wrong, not the calls


class HttpTarget:
    """One cloud tenant. Safe for many tasks of one event loop at once.

    Retry-After, requests in flight and the request rate are shared by all of them. `send` never waits for
    a closed gate: it hands back RETRY with the moment the gate opens.
    """

    def __init__(
        self,
        name: str,
        config: TargetConfig,
        profile: Profile,
        resolve: Resolve,
        observer: Observer,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._config = config
        self._profile = profile
        self._limits = config.limits or profile.limits
        self._observer = observer
        self._clock = clock or SystemClock()
        self._gate = Gate(self._limits, self._clock)
        self._transport = Transport(config, profile.path, self._limits, resolve, self._gate, self._clock)
        self._protocol = ODataV4(profile)
        self._failures = 0  # requests in a row that met no server, or a 429 that named no moment
        self._stranger = ""  # a tenant that is not the pinned one answered: nothing is sent any more

    def __repr__(self) -> str:
        return f"HttpTarget({self.name}, {self._config.base_url})"

    # ------------------------------------------------------------ the port

    async def check_tenant(self) -> None:
        """Raise PolicyRefused when the tenant that answers is not the pinned one."""
        path = self._profile.tenant_path
        if path is None:
            return
        answer = await self._ask(path.lstrip("/"))
        try:
            rows = self._protocol.rows(answer)
            tenant = str(rows[0][self._profile.tenant_field])
        except (ValueError, LookupError):
            raise self._nonsense(path) from None
        if tenant != self._config.tenant:
            raise self._refuse_tenant(tenant)

    async def send(self, calls: Sequence[Call]) -> list[CallResult]:
        """One result per call, in order; requests of one send go side by side, as far as the limits let them.

        The caller sees to it that no two calls of one send are for the same record.
        """
        groups = self._protocol.plan(calls, self._limits)
        results: list[CallResult | None] = [None] * len(calls)
        for group, outcome in zip(groups, await asyncio.gather(*map(self._send, groups)), strict=True):
            for planned, result in zip(group, outcome, strict=True):
                results[planned.place] = self._clean(result)
        done = [result for result in results if result is not None]
        for kind, number in Counter(result.kind for result in done).items():
            self._observer.count("target_calls", number, target=self.name, result=kind.value)
        return done

    async def find(self, key: RecordKey, external_key: Json, marker: str | None) -> list[Found]:
        """Ask by external key where it is whole, else by marker. Raises TargetUnavailable when there is no
        answer."""
        path = self._protocol.find_path(key.object, external_key, marker)
        answer = await self._ask(path, absent_is_answer=True)
        if answer.status == 404:
            return []
        return self._read(key.object, answer, path)[0]

    async def read_all(self, object_name: ObjectName) -> AsyncIterator[Found]:
        """Everything the target holds of an object, with its lines, page by page."""
        path: str | None = self._protocol.list_path(object_name)
        while path is not None:
            records, path = self._read(object_name, await self._ask(path), path)
            for record in records:
                yield record
            if path is not None and not self._transport.is_ours(path):
                raise TargetError(
                    "the link to the next page leads to another host",
                    where=self.name,
                    remedy="check base_url: it must be the address the target gives itself",
                )

    async def close(self) -> None:
        """Release sockets."""
        await self._transport.close()

    # ------------------------------------------------------------ writes

    async def _send(self, group: Sequence[Planned]) -> list[CallResult]:
        alone = len(group) == 1 and _fits_plain(group[0])
        try:
            answer = await self._request(*_request(group, alone))
        except (GateClosed, NotSent, ReplyLost, CoexistError) as error:
            if isinstance(error, NotSent):
                self._failures += 1
                self._gate.close(self._clock.now() + self._pause())
            return [self._not_answered(planned.call, error) for planned in group]
        if self._stranger:
            refused = self._refuse_tenant(self._stranger)
            return [self._not_answered(planned.call, refused) for planned in group]
        if not answer.complete and not 200 <= answer.status < 300:
            return [unknown(p.call, "reply_cut", "the refusal broke off", answer.status) for p in group]
        if alone and answer.status != 429:
            return [self._protocol.result(group[0], [answer], self._clock.now())]
        return await self._batch_answered(group, answer)

    def _not_answered(self, call: Call, error: Exception) -> CallResult:
        """The result of a call whose request got no answer, by why it got none."""
        if isinstance(error, ReplyLost):
            return unknown(call, "reply_lost", str(error))
        if isinstance(error, GateClosed):
            return _retry(call, "throttled", "waits for the target's Retry-After", error.until)
        if isinstance(error, NotSent):
            return _retry(call, "unreachable", str(error), self._opens())
        if isinstance(error, CoexistError) and error.disposition is Disposition.STOP:
            code = "wrong_tenant" if isinstance(error, PolicyRefused) else "credentials"
            return CallResult(call.call_id, ResultKind.STOP, code=code, message=str(error))
        return _retry(call, "unreachable", str(error), self._opens())

    def _opens(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._gate.closed_for())

    async def _batch_answered(self, group: Sequence[Planned], answer: Answer) -> list[CallResult]:
        """What the answer to a whole request means for each of its calls."""
        now = self._clock.now()
        if answer.status == 429:
            text = "the target asked us to come back later"
            return [_retry(p.call, "throttled", text, self._opens()) for p in group]
        if answer.status in (400, 413) and len(group) > 1:
            both = await asyncio.gather(*map(self._send, halves(group)))
            return [result for half in both for result in half]
        if answer.status in _MISPLACED:
            text = f"the target answers {answer.status} to the whole request"
            return [
                CallResult(p.call.call_id, ResultKind.STOP, None, None, answer.status, "refused_whole", text)
                for p in group
            ]
        if not 200 <= answer.status < 300:
            return [self._protocol.refusal(p.call, answer, now) for p in group]
        results = self._protocol.batch_results(group, answer, now)
        if results is None:
            text = "the answer is not what this protocol answers"
            return [unknown(p.call, "nonsense", text, answer.status) for p in group]
        for result in results:
            if result.retry_after is not None:
                self._gate.close(result.retry_after)
        return results

    # ------------------------------------------------------------ reads

    async def _ask(self, path: str, absent_is_answer: bool = False) -> Answer:
        """A GET until it is answered, within reason. Raises TargetUnavailable, CredentialsRefused,
        TargetError."""
        operation = Operation("GET", path, (("Accept", "application/json"), ("Prefer", _PAGE)))
        reason = ""
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                answer = await self._request(operation, None, _READ_PATIENCE)
            except (NotSent, ReplyLost, GateClosed) as error:
                reason = str(error)
                if isinstance(error, GateClosed):
                    break
            else:
                if (answer.status == 200 and answer.complete) or (answer.status == 404 and absent_is_answer):
                    return answer
                if answer.status != 429 and 400 <= answer.status < 500:
                    raise TargetError(
                        f"the target answers {answer.status} to a question",
                        where=f"{self.name}: {path.partition('?')[0]}",
                        remedy="check the profile's entity sets and the service user's rights",
                    )
                reason = f"status {answer.status}"
            if attempt < _READ_ATTEMPTS:
                await self._clock.sleep(delay(attempt, random.random()))
        raise TargetUnavailable(
            f"no answer to a question ({reason})", where=self.name, remedy="it is asked again by itself"
        )

    def _read(self, object_name: str, answer: Answer, path: str) -> tuple[list[Found], str | None]:
        try:
            return self._protocol.records(object_name, answer)
        except ValueError:
            raise self._nonsense(path) from None

    # ------------------------------------------------------------ common

    async def _request(self, operation: Operation, content_type: str | None, patience: float = 0.0) -> Answer:
        """One request with its bookkeeping: metrics, throttling, the tenant that answered."""
        if self._stranger:
            raise self._refuse_tenant(self._stranger)
        started = self._clock.monotonic()
        outcome = "failed"
        try:
            answer = await self._transport.perform(operation, content_type, patience)
            outcome = str(answer.status)
        finally:
            self._observer.count("target_requests", target=self.name, outcome=outcome)
            seconds = self._clock.monotonic() - started
            self._observer.observe("target_request_seconds", seconds, target=self.name)
        self._heed(answer)
        return answer

    def _heed(self, answer: Answer) -> None:
        now = self._clock.now()
        until = retry_after(answer, now) if answer.status in (429, 503) else None
        if answer.status == 429:
            self._failures += 1
            until = until or now + self._pause()
        elif answer.status < 500:
            self._failures = 0
        if until is not None:
            self._gate.close(until)
            self._observer.event(
                "warning", "target throttles", target=self.name, seconds=(until - now).total_seconds()
            )
        header = self._profile.tenant_header
        tenant = answer.headers.get(header.lower(), "") if header else ""
        if tenant and tenant != self._config.tenant:
            self._stranger = tenant
            self._observer.event("error", "another tenant answers", target=self.name, tenant=tenant)

    def _pause(self) -> timedelta:
        return timedelta(seconds=delay(self._failures, random.random()))

    def _clean(self, result: CallResult) -> CallResult:
        message = secrets.redact(self._transport.hide(result.message)) if result.message else ""
        if message == result.message:
            return result
        return CallResult(
            result.call_id, result.kind, result.native_id, result.token, result.status, result.code, message,
            result.retry_after,
        )  # fmt: skip

    def _refuse_tenant(self, tenant: str) -> PolicyRefused:
        return PolicyRefused(
            f"tenant {tenant} answers, but {self._config.tenant} is pinned",
            where=f"{self.name} at {self._config.base_url}",
            remedy="correct base_url, or pin the tenant that is meant; nothing was written",
        )

    def _nonsense(self, path: str) -> TargetUnavailable:
        return TargetUnavailable(
            "the answer is not what this protocol answers",
            where=f"{self.name}: {path.partition('?')[0]}",
            remedy="check base_url and what stands between us and the target; it is asked again by itself",
        )


def _fits_plain(planned: Planned) -> bool:
    """A single operation needs no batch. But a DELETE does: aiohttp repeats a plain one by itself when the
    connection breaks, and what we send twice must be our decision."""
    return len(planned.operations) == 1 and planned.call.action is not Action.DELETE


def _request(group: Sequence[Planned], alone: bool) -> tuple[Operation, str | None]:
    if alone:
        return group[0].operations[0], None
    body = build_batch(p.operations for p in group)
    return Operation("POST", "$batch", (("Prefer", "odata.continue-on-error"),), body), CONTENT_TYPE


def _retry(call: Call, code: str, message: str, until: datetime) -> CallResult:
    return CallResult(call.call_id, ResultKind.RETRY, code=code, message=message, retry_after=until)
