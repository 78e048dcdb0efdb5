"""What an answer means: the profile's error table, then the rules every HTTP API shares. Pure."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from agent.apply.protocols.messages import Answer
from agent.model.commands import Action, ResultKind
from cdc_config.profile import ErrorRule

_LONGEST_MESSAGE = 400


class Verdict(NamedTuple):
    """Kind of result, our code for it (or the vendor's), the vendor's text."""

    kind: ResultKind
    code: str = ""
    message: str = ""


_THEN = {
    "retry": ResultKind.RETRY,
    "conflict": ResultKind.CONFLICT,
    "park": ResultKind.PARK,
    "stop": ResultKind.STOP,
    "unknown": ResultKind.UNKNOWN,
    "done": ResultKind.ACCEPTED,
}

Classifier = Callable[[Action, Answer], Verdict]


def classifier(rules: Sequence[ErrorRule]) -> Classifier:
    """A function of (action, answer); the first rule that matches decides.

    `exists` is a conflict: read it back. So is `gone`, but for a create, where it is the address that is
    wrong. Without a rule: 2xx accepted, 4xx parked, anything else unknown, because it does not say what
    happened.
    """
    table = [
        (r, re.compile(r.code) if r.code else None, re.compile(r.message, re.DOTALL) if r.message else None)
        for r in rules
    ]

    def classify(action: Action, answer: Answer) -> Verdict:
        if 200 <= answer.status < 300:
            return Verdict(ResultKind.ACCEPTED)
        code, message = error_text(answer)
        for rule, code_re, message_re in table:
            if rule.status is not None and rule.status != answer.status:
                continue
            if code_re is not None and not code_re.search(code):
                continue
            if message_re is None or message_re.search(message):
                return Verdict(_kind(rule.then, action), rule.name, message)
        parked = 400 <= answer.status < 500
        kind = ResultKind.PARK if parked else ResultKind.UNKNOWN
        return Verdict(kind, code or f"http_{answer.status}", message)

    return classify


def _kind(then: str, action: Action) -> ResultKind:
    if then == "exists":
        return ResultKind.CONFLICT
    if then == "gone":
        return ResultKind.PARK if action is Action.CREATE else ResultKind.CONFLICT
    return _THEN[then]


def error_text(answer: Answer) -> tuple[str, str]:
    """(vendor code, vendor text) of an error answer; the innermost message, which says what was wrong."""
    try:
        error = orjson.loads(answer.body)["error"]
        inner: Any = error.get("innererror") or {}
        code = str(error.get("code") or "")
        message = str(inner.get("message") or error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = "", answer.body[:_LONGEST_MESSAGE].decode("utf-8", "replace")
    return code, " ".join(message.split())[:_LONGEST_MESSAGE]


def retry_after(answer: Answer, now: datetime) -> datetime | None:
    """The moment a Retry-After header names, in seconds from now or as an HTTP date; else None."""
    text = answer.headers.get("retry-after", "").strip()
    try:
        if text.replace(".", "", 1).isdigit():
            return now + timedelta(seconds=float(text))
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
