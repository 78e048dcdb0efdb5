"""Access tokens: fetched once, renewed early, secret re-read, never shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson
import pytest

from agent.apply.auth.client_credentials import ClientCredentialsTokens, CredentialsRefused
from agent.errors import Disposition, TargetUnavailable
from cdc_config.base import SecretRef
from cdc_config.models import ClientCredentials
from tests.unit.apply.test_pacing import FakeClock

CONFIG = ClientCredentials(
    token_url="http://127.0.0.1/token", client_id="app", client_secret=SecretRef(env="S"), scope="x/.default"
)


class Endpoint:
    """Gives out numbered tokens; answers what it is told to."""

    def __init__(self) -> None:
        self.forms: list[Mapping[str, str]] = []
        self.answer: tuple[int, bytes] | None = None
        self.secret = "first-secret"
        self.clock = FakeClock()
        self.tokens = ClientCredentialsTokens(CONFIG, lambda ref: self.secret, self.post, self.clock)

    async def post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        self.forms.append(form)
        await asyncio.sleep(0)
        if self.answer is not None:
            return self.answer
        return 200, orjson.dumps({"access_token": f"token-{len(self.forms)}", "expires_in": "100"})


async def test_many_who_need_a_token_cause_one_fetch() -> None:
    end = Endpoint()
    assert set(await asyncio.gather(*(end.tokens.get() for _ in range(20)))) == {"token-1"}
    assert len(end.forms) == 1
    assert end.forms[0]["scope"] == "x/.default"


async def test_a_token_is_renewed_before_it_ends_and_nobody_waits_for_it() -> None:
    end = Endpoint()
    await end.tokens.get()
    end.clock.time += 79
    assert await end.tokens.get() == "token-1"
    assert len(end.forms) == 1
    end.clock.time += 2
    end.answer = (503, b"")  # the renewal fails: the old one still serves
    assert await end.tokens.get() == "token-1"
    await asyncio.sleep(0.01)
    end.answer = None
    assert await end.tokens.get() == "token-1"
    await asyncio.sleep(0.01)
    assert await end.tokens.get() == "token-3"


async def test_a_rejected_token_is_replaced_with_the_secret_read_anew() -> None:
    end = Endpoint()
    first = await end.tokens.get()
    end.secret = "second-secret"
    end.tokens.reject(first)
    assert await end.tokens.get() == "token-2"
    end.tokens.reject(first)  # a late 401 for the old one does not cost the new one
    assert await end.tokens.get() == "token-2"
    assert [form["client_secret"] for form in end.forms] == ["first-secret", "second-secret"]


async def test_refused_credentials_stop_and_an_absent_endpoint_does_not() -> None:
    end = Endpoint()
    end.answer = (401, b'{"error":"invalid_client","error_description":"first-secret is wrong"}')
    with pytest.raises(CredentialsRefused, match="invalid_client") as caught:
        await end.tokens.get()
    assert caught.value.disposition is Disposition.STOP
    assert "first-secret" not in str(caught.value)
    for status, body in ((503, b""), (429, b'{"error":"slow"}'), (200, b"<html>"), (200, b"{}"), (404, b"")):
        end.answer = (status, body)
        with pytest.raises(TargetUnavailable):
            await end.tokens.get()


async def test_neither_secret_nor_token_is_shown() -> None:
    end = Endpoint()
    token = await end.tokens.get()
    shown = repr(end.tokens) + repr(vars(end.tokens)["_token"])
    assert token not in shown
    assert "secret" not in shown.lower()
    assert end.tokens.hide(f"bad token {token}") == "bad token ***"
