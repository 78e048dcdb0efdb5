"""OData literals in URLs: entity keys and equality filters."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from agent.model.commands import Json

_PLAIN = re.compile(r"[A-Za-z0-9._~-]*").fullmatch


def literal(value: Any) -> str:
    """One value as a percent-encoded URL literal: texts quoted (quotes doubled), numbers bare, null."""
    if isinstance(value, str):
        text = value if _PLAIN(value) else quote(value.replace("'", "''"), safe="")
        return f"'{text}'"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} cannot stand in a key or filter")


def entity_path(entity_set: str, key: Json) -> str:
    """`Set(A='1',B=2)`."""
    return f"{entity_set}({','.join([f'{name}={literal(value)}' for name, value in key.items()])})"


def equals(field: str, value: Any) -> str:
    """`Field eq 'value'`, percent-encoded, to stand behind `$filter=`."""
    return f"{field}%20eq%20{literal(value)}"
