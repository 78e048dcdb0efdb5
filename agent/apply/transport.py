"""The connection to one target: paced, authorised requests, and the truth about whether their bytes left."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from agent.apply.auth.client_credentials import ClientCredentialsTokens, CredentialsRefused, Resolve
from agent.apply.pacing.clock import Clock
from agent.apply.pacing.gate import Gate
from agent.apply.protocols.messages import Answer, Operation
from agent.errors import TargetUnavailable
from cdc_config.models import TargetConfig
from cdc_config.profile import Limits

_KEEP_ALIVE = 15.0  # shorter than servers keep idle connections, so that none is used the moment it is closed
_CONNECT = 10.0


class NotSent(Exception):
    """No byte of the request left: it was certainly not performed."""


class ReplyLost(Exception):
    """Bytes left and no status line came back: it may or may not have been performed."""


class Transport:
    """One aiohttp session with keep-alive; made in the event loop that first uses it."""

    def __init__(
        self, config: TargetConfig, path: str, limits: Limits, resolve: Resolve, gate: Gate, clock: Clock
    ) -> None:
        self._base = config.base_url.rstrip("/")
        self._root = f"{self._base}{path}/"
        self._origin = urlsplit(self._base)[:2]
        self._limits = limits
        self._gate = gate
        self._tokens = ClientCredentialsTokens(config.auth, resolve, self._post_form, clock)
        self._session: aiohttp.ClientSession | None = None

    async def perform(
        self, operation: Operation, content_type: str | None = None, patience: float = 0.0
    ) -> Answer:
        """Send one request below the service root; after a 401 once more with a new token.

        Raises GateClosed, NotSent, ReplyLost, CredentialsRefused. A 401 is answered before anything is
        performed, so sending again is safe for writes too.
        """
        headers = dict(operation.headers)
        if content_type is not None:
            headers["Content-Type"] = content_type
        answer = Answer(0, {}, b"")
        for _ in range(2):
            self._gate.check(patience)
            token = await self._token()
            headers["Authorization"] = f"Bearer {token}"
            async with self._gate.passage(patience):
                answer = await self._exchange(operation, headers)
            if answer.status != 401:
                return answer
            self._tokens.reject(token)
        raise CredentialsRefused(
            "the target refuses a fresh access token",
            where=self._root,
            remedy="check that the client is registered in this environment, then resume the target",
        )

    def hide(self, text: str) -> str:
        """The text without our access token."""
        return self._tokens.hide(text)

    def is_ours(self, url: str) -> bool:
        """A link may be followed with our token only when it leads to the same origin."""
        return urlsplit(url)[:2] == self._origin

    async def close(self) -> None:
        """Close the connections."""
        await self._tokens.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _token(self) -> str:
        try:
            return await self._tokens.get()
        except TargetUnavailable as error:
            raise NotSent(f"no access token: {error.what}") from None

    async def _exchange(self, operation: Operation, headers: Mapping[str, str]) -> Answer:
        path = operation.path
        url = URL(path if "://" in path.partition("?")[0] else self._root + path, encoded=True)
        sent = SimpleNamespace(any=False)
        answer: Answer | None = None
        try:
            async with self._opened().request(
                operation.method,
                url,
                data=operation.body or None,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status, names, b"", False)
                pieces: list[bytes] = []
                try:
                    async for piece in response.content.iter_any():
                        pieces.append(piece)
                finally:
                    answer = answer._replace(body=b"".join(pieces))
                return answer._replace(complete=True)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"cannot connect ({type(error).__name__})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if answer is not None:
                return answer  # a status line came: what it says holds, only the rest is missing
            reason = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise (ReplyLost if sent.any else NotSent)(reason) from None

    async def _post_form(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            async with self._opened().post(url, data=dict(form), allow_redirects=False) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TargetUnavailable(
                f"the token endpoint cannot be reached ({type(error).__name__})",
                where=url,
                remedy="nothing was sent; it is tried again by itself",
            ) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_mark_sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._limits.concurrency + 1, keepalive_timeout=_KEEP_ALIVE
                ),
                timeout=aiohttp.ClientTimeout(total=self._limits.timeout_seconds, sock_connect=_CONNECT),
                trace_configs=[trace],
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def _mark_sent(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.any = True
