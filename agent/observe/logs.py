"""Structured logs on stderr: JSON for machines, short lines for a terminal, and never a secret."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import orjson
import structlog

from agent.errors import CoexistError
from cdc_config.secrets import HIDDEN, redact

Style = Literal["json", "console"]

_SECRET_NAMES = re.compile(
    r"secret|password|passwd|authorization|api_?key|access_token|\bdsn\b", re.IGNORECASE
)


def configure(style: Style | None = None, level: str | None = None, stream: TextIO | None = None) -> None:
    """Set logging up for this process. style None: console on a terminal, else JSON.

    A call that asks for nothing in particular leaves what was set up before.
    """
    if style is None and level is None and stream is None and structlog.is_configured():
        return
    out = stream or sys.stderr
    if style is None:
        style = "console" if out.isatty() else "json"
    renderer: Any
    if style == "json":
        renderer = structlog.processors.JSONRenderer(serializer=_dumps)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty() and not os.environ.get("NO_COLOR"))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _errors,
            structlog.processors.format_exc_info,
            _redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[(level or "info").upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def _dumps(event: dict[str, Any], **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _errors(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Our own errors as what, where and remedy."""
    error = event.get("error")
    if isinstance(error, CoexistError):
        event["error"] = error.what
        event.update({k: v for k, v in (("where", error.where), ("remedy", error.remedy)) if v})
    elif isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if value is not None and _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", inner) for inner in value]
    if isinstance(value, int | float | bool) or value is None:
        return value
    return redact(str(value))
