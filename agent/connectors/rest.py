"""Kafka Connect's REST interface, as far as one connector needs it: one request at a time, with a time limit.

urllib is enough: commands ask once, and the supervising loop every few seconds. Proxies of the environment are not
used, and a redirect gets no password.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from agent.connectors.state import UNASSIGNED, ConnectorState, FieldError, read_errors, read_state
from agent.errors import SourceError, SourceUnavailable
from cdc_config.models import ConnectWorker
from cdc_config.secrets import redact, resolve

T = TypeVar("T")

_PAUSE = 0.5
_LONGEST_TEXT = 400


class Connect:
    """One Connect cluster. Raises SourceUnavailable when it cannot be reached or is busy, SourceError when it says no (wrong
    login, no such connector, a configuration it does not take).

    patience: seconds to ask again while the cluster rebalances. wait: how to wait meanwhile; the daemon gives one that
    can be cut short.
    """

    def __init__(
        self, worker: ConnectWorker, *, patience: float = 30.0, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._worker = worker
        self._url = worker.url.rstrip("/")
        self._patience = patience
        self._wait = wait
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if worker.ssl_ca_location is not None:
            handlers.append(urllib.request.HTTPSHandler(context=self._trust(str(worker.ssl_ca_location))))
        self._opener = urllib.request.build_opener(*handlers)

    def plugins(self) -> dict[str, str]:
        """Installed connectors: class → version."""
        answer = self._ask("GET", "/connector-plugins")
        return self._understood(lambda found: {p["class"]: str(p.get("version")) for p in found}, answer)

    def status(self, name: str) -> ConnectorState | None:
        """What the worker says of a connector; None: it knows of none."""
        answer = self._ask("GET", f"/connectors/{quote(name, safe='')}/status", absent=None)
        if answer is None:
            # One that was made just now has a configuration before it has a status.
            return None if self.config(name) is None else ConnectorState(name, UNASSIGNED, "")
        return self._understood(read_state, answer)

    def config(self, name: str) -> dict[str, str] | None:
        """The configuration it has, references unresolved; None: there is no such connector."""
        answer = self._ask("GET", f"/connectors/{quote(name, safe='')}/config", absent=None)
        return None if answer is None else self._understood(lambda found: {k: str(v) for k, v in found.items()}, answer)

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        """Make the connector or change it; its tasks start again."""
        self._ask("PUT", f"/connectors/{quote(name, safe='')}/config", dict(config))

    def validate(self, config: Mapping[str, str]) -> list[FieldError]:
        """What the plugin itself finds wrong; it tries to log in to the database, too."""
        plugin = quote(config["connector.class"], safe="")
        return self._understood(read_errors, self._ask("PUT", f"/connector-plugins/{plugin}/config/validate", dict(config)))

    def pause(self, name: str) -> None:
        """Let it stop reading; it keeps its tasks."""
        self._ask("PUT", f"/connectors/{quote(name, safe='')}/pause")

    def resume(self, name: str) -> None:
        """Let it go on after a pause or stop."""
        self._ask("PUT", f"/connectors/{quote(name, safe='')}/resume")

    def stop(self, name: str) -> None:
        """End its tasks; configuration and offsets stay."""
        self._ask("PUT", f"/connectors/{quote(name, safe='')}/stop")

    def restart(self, name: str, *, only_failed: bool = True) -> None:
        """Start it and its tasks again, or only what failed of them."""
        which = f"includeTasks=true&onlyFailed={'true' if only_failed else 'false'}"
        self._ask("POST", f"/connectors/{quote(name, safe='')}/restart?{which}")

    def offsets(self, name: str) -> tuple[dict[str, Any], ...]:
        """Where it stands in the source, one entry per partition of the source: {"partition": …, "offset": …}."""
        answer = self._ask("GET", f"/connectors/{quote(name, safe='')}/offsets", absent={"offsets": []})
        return self._understood(lambda found: tuple(found["offsets"]), answer)

    def _ask(self, method: str, path: str, body: object = None, **absent: Any) -> Any:
        """The answer as JSON, asked again while the cluster rebalances. absent=…: what a 404 means."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._once(method, path, body)
            except urllib.error.HTTPError as error:
                with error:
                    said = _said(error)
                if error.code == 404 and "absent" in absent:
                    return absent["absent"]
                if error.code != 409 or time.monotonic() > deadline:
                    raise self._refused(error.code, said, path) from None
            except (OSError, http.client.HTTPException) as error:  # refused, timed out, unknown host, no TLS, cut off
                raise self._unavailable(f"Kafka Connect cannot be reached: {_reason(error)}") from None
            self._wait(_PAUSE)

    def _once(self, method: str, path: str, body: object) -> Any:
        request = urllib.request.Request(self._url + path, method=method)
        request.add_header("Accept", "application/json")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        if self._worker.username is not None and self._worker.password is not None:
            login = f"{self._worker.username}:{resolve(self._worker.password)}".encode()
            request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(login).decode())
        with self._opener.open(request, data, timeout=self._worker.timeout_seconds) as answer:
            text = answer.read()
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise self._stranger() from None

    def _understood(self, read: Callable[[Any], T], answer: Any) -> T:
        try:
            return read(answer)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise self._stranger() from None

    def _refused(self, status: int, said: str, path: str) -> SourceError:
        what = f"Kafka Connect says {status}: {said}" if said else f"Kafka Connect says {status}"
        if status in (401, 403):
            return SourceError(what, where=self._url, remedy="check connect.username and connect.password")
        if status in (408, 409, 429, 502, 503, 504) or "timed out" in said.lower():
            return self._unavailable(what)
        if status == 404:
            return SourceError(what, where=self._url + path, remedy="`coexist connect list` tells what is there")
        return SourceError(what, where=self._url + path, remedy="see the worker's log")

    def _unavailable(self, what: str) -> SourceUnavailable:
        return SourceUnavailable(what, where=self._url, remedy="check connect.url, and that the worker is up; then try again")

    def _stranger(self) -> SourceError:
        what = "what answers there does not speak like Kafka Connect"
        return SourceError(what, where=self._url, remedy="check connect.url")

    def _trust(self, path: str) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            what = f"the certificates to trust cannot be read: {_reason(error)}"
            raise SourceError(what, where=path, remedy="check connect.ssl_ca_location") from None


def _said(error: urllib.error.HTTPError) -> str:
    """The worker's own words, or nothing where somebody else answered."""
    try:
        answer = json.loads(error.read())
        text = str(answer["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    text = redact(" ".join(text.split()))
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    return str(getattr(inner, "strerror", None) or inner) or type(inner).__name__
