"""The token endpoint and bearer tokens, Entra style."""

from __future__ import annotations

import hmac
import secrets
import time
from urllib.parse import parse_qs

import orjson

from sandbox.erp.config import Settings
from sandbox.erp.reads import Answer

_JSON = ("Content-Type", "application/json; charset=utf-8")


class Tokens:
    """Tokens given out and still good; they do not survive a restart."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.issued = 0
        self._good: dict[str, tuple[str, float]] = {}

    def expire_all(self) -> None:
        """Make every token worthless now."""
        self._good.clear()

    def client_of(self, authorization: str) -> str | None:
        """The client a bearer header belongs to, if its token is good."""
        scheme, _, token = authorization.partition(" ")
        known = self._good.get(token)
        if known is None or scheme.lower() != "bearer":
            return None
        if known[1] <= time.monotonic():
            del self._good[token]
            return None
        return known[0]

    def challenge(self) -> tuple[str, str]:
        """The header of a 401."""
        where = f"https://login.microsoftonline.com/{self.settings.tenant}"
        return "WWW-Authenticate", f'Bearer authorization_uri="{where}", error="invalid_token"'

    def answer(self, tenant: str, body: bytes) -> Answer:
        """`POST /{tenant}/oauth2/v2.0/token`."""
        form = {k: v[0] for k, v in parse_qs(body.decode("utf-8", "replace")).items()}
        settings = self.settings
        if tenant != settings.tenant:
            return _error(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        for name in ("grant_type", "client_id", "client_secret", "scope"):
            if name not in form:
                return _error(400, "invalid_request", f"AADSTS90014: The required field '{name}' is missing.")
        if form["grant_type"] != "client_credentials":
            return _error(
                400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type."
            )
        if form["client_id"] != settings.client_id:
            return _error(
                400, "unauthorized_client", "AADSTS700016: Application was not found in the directory."
            )
        if not hmac.compare_digest(form["client_secret"].encode(), settings.client_secret.encode()):
            return _error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        if not form["scope"].endswith("/.default"):
            return _error(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.")
        return 200, [_JSON, ("Cache-Control", "no-store")], orjson.dumps(self._issue(form["client_id"]))

    def _issue(self, client: str) -> dict[str, object]:
        token, lifetime = secrets.token_urlsafe(32), self.settings.token_seconds
        self._good[token] = (client, time.monotonic() + lifetime)
        self.issued += 1
        seconds = int(lifetime)
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }


def _error(status: int, error: str, description: str) -> Answer:
    return status, [_JSON], orjson.dumps({"error": error, "error_description": description})
