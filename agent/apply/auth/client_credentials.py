"""OAuth2 client credentials: one token per target, refreshed early, by one request at a time, never shown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import orjson

from agent.apply.pacing.clock import Clock
from agent.errors import Disposition, TargetError, TargetUnavailable
from cdc_config.base import SecretRef
from cdc_config.models import ClientCredentials

Resolve = Callable[[SecretRef], str]
PostForm = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]  # raises TargetUnavailable

_EARLY_SHARE = 0.2  # of a token's life is left when it is renewed in the background
_LAST_SECONDS = 5.0  # with less than this left a token is not used any more (or half of a very short life)


class CredentialsRefused(TargetError):
    """The identity provider or the target does not accept who we are: the whole target stops."""

    disposition = Disposition.STOP


class _Token(NamedTuple):
    text: str
    renew_at: float
    dead_at: float

    def __repr__(self) -> str:
        return "_Token(***)"


class ClientCredentialsTokens:
    """Access tokens for one target. The secret is read anew for every fetch, so that a rotated one is picked
    up."""

    def __init__(self, config: ClientCredentials, resolve: Resolve, post: PostForm, clock: Clock) -> None:
        self._config = config
        self._resolve = resolve
        self._post = post
        self._clock = clock
        self._token: _Token | None = None
        self._fetch: asyncio.Task[_Token] | None = None

    def __repr__(self) -> str:
        return f"ClientCredentialsTokens({self._config.token_url})"

    async def get(self) -> str:
        """A token that is good for now. Raises CredentialsRefused or TargetUnavailable.

        While an old token is still good the new one is fetched beside the work, and a failure to do so is
        not an error yet.
        """
        now, token = self._clock.monotonic(), self._token
        if token is not None and now < token.dead_at:
            if now >= token.renew_at:
                self._start()
            return token.text
        return (await asyncio.shield(self._start())).text

    def reject(self, text: str) -> None:
        """The target refused this token: do not use it again (unless a newer one is there already)."""
        if self._token is not None and self._token.text == text:
            self._token = None

    def hide(self, text: str) -> str:
        """The text without the token, should a server have repeated it."""
        return text.replace(self._token.text, "***") if self._token is not None else text

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetch is not None and not self._fetch.done():
            self._fetch.cancel()
            with contextlib.suppress(asyncio.CancelledError, TargetError):
                await self._fetch

    def _start(self) -> asyncio.Task[_Token]:
        if self._fetch is None or self._fetch.done():
            self._fetch = asyncio.create_task(self._request())
            self._fetch.add_done_callback(_silence)
        return self._fetch

    async def _request(self) -> _Token:
        config = self._config
        form = {
            "grant_type": "client_credentials",
            "client_id": config.client_id,
            "client_secret": self._resolve(config.client_secret),
        }
        if config.scope is not None:
            form["scope"] = config.scope
        started = self._clock.monotonic()
        status, body = await self._post(config.token_url, form)
        self._token = self._read(status, body, started)
        return self._token

    def _read(self, status: int, body: bytes, started: float) -> _Token:
        where = self._config.token_url
        try:
            data = orjson.loads(body)
            if status == 200:
                life = float(data["expires_in"])
                text = data["access_token"]
                if not isinstance(text, str) or not text or "\n" in text or not life > 0:
                    raise ValueError
                last = min(_LAST_SECONDS, life / 2)
                return _Token(text, started + life * (1 - _EARLY_SHARE), started + life - last)
            reason = str(data["error"])[:80]
        except (ValueError, KeyError, TypeError):
            reason = ""
        if 400 <= status < 500 and status not in (408, 429) and reason:
            raise CredentialsRefused(
                f"the token endpoint refused our credentials ({status} {reason})",
                where=where,
                remedy="check tenant, client id, scope and secret, then resume the target",
            )
        raise TargetUnavailable(
            f"the token endpoint gave no token ({status} {reason or 'unreadable answer'})",
            where=where,
            remedy="nothing was sent; it is tried again by itself",
        )


def _silence(task: asyncio.Task[_Token]) -> None:
    if not task.cancelled():
        task.exception()
