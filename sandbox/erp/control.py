"""The control plane under /_control/: faults, settings, periods, counters. Not part of the API."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.erp.faults import make_fault

if TYPE_CHECKING:
    from sandbox.erp.server import ErpSandbox

_SETTINGS = {"latency_ms", "rate", "retry_after", "page_size", "max_batch", "token_seconds"}


class Control:
    """Answers control requests."""

    def __init__(self, sandbox: ErpSandbox) -> None:
        self.sandbox = sandbox

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """One control request."""
        verbs = {
            "POST /_control/faults": self._add_fault,
            "GET /_control/faults": self._list_faults,
            "DELETE /_control/faults": self._clear_faults,
            "POST /_control/settings": self._change,
            "POST /_control/tokens/expire": self._expire,
            "POST /_control/periods": self._period,
            "GET /_control/counters": self._counters,
            "POST /_control/reset": self._reset,
        }
        verb = verbs.get(f"{method} {path}")
        if verb is None:
            return 404, orjson.dumps({"error": f"no such control: {method} {path}", "known": sorted(verbs)})
        try:
            doc = orjson.loads(body) if body.strip() else {}
            if not isinstance(doc, dict):
                raise ValueError("the body must be a JSON object")
            return 200, orjson.dumps(verb(doc))
        except (ValueError, TypeError, KeyError, re.error) as error:
            return 400, orjson.dumps({"error": f"{type(error).__name__}: {error}"})

    def _add_fault(self, doc: dict[str, Any]) -> dict[str, Any]:
        return {"id": self.sandbox.faults.add(make_fault(doc))}

    def _list_faults(self, doc: dict[str, Any]) -> dict[str, Any]:
        return {
            "faults": [
                {"id": f.id, "kind": f.kind, "count": f.count, "fired": f.fired}
                for f in self.sandbox.faults.all
            ]
        }

    def _clear_faults(self, doc: dict[str, Any]) -> dict[str, Any]:
        self.sandbox.faults.clear()
        return {}

    def _change(self, doc: dict[str, Any]) -> dict[str, Any]:
        settings = self.sandbox.settings
        if set(doc) - _SETTINGS:
            raise ValueError(f"settings that can be changed: {sorted(_SETTINGS)}")
        for name, value in doc.items():
            if name == "rate" and value is not None:
                value = (int(value[0]), float(value[1]))
            setattr(settings, name, value)
        return {name: getattr(settings, name) for name in sorted(_SETTINGS)}

    def _expire(self, doc: dict[str, Any]) -> dict[str, Any]:
        self.sandbox.tokens.expire_all()
        return {}

    def _period(self, doc: dict[str, Any]) -> dict[str, Any]:
        first, last = date.fromisoformat(doc["from"]), date.fromisoformat(doc["to"])
        if doc["state"] not in ("open", "closed"):
            raise ValueError("state is open or closed")
        period = (str(doc["dataAreaId"]), first.isoformat(), last.isoformat(), str(doc["state"]))
        self.sandbox.service.record.add_period(period)
        self.sandbox.service.business.periods.append(period)
        return {"periods": len(self.sandbox.service.business.periods)}

    def _counters(self, doc: dict[str, Any]) -> dict[str, Any]:
        sandbox, service = self.sandbox, self.sandbox.service
        return {
            "arrivals": service.arrivals,
            "effects": service.effects,
            "operations": service.operations,
            "requests": sandbox.counters["requests"],
            "in_flight": sandbox.in_flight,
            "in_flight_max": sandbox.counters["in_flight_max"],
            "unauthorised": sandbox.counters["unauthorised"],
            "throttled": sandbox.throttle.throttled,
            "inside_retry_after": sandbox.throttle.inside_retry_after,
            "tokens_issued": sandbox.tokens.issued,
            "late_pending": len(sandbox.late),
            "faults_fired": sandbox.faults.fired(),
        }

    def _reset(self, doc: dict[str, Any]) -> dict[str, Any]:
        self.sandbox.reset()
        return {}
