"""Long lists as PostgreSQL array texts, for statements that cast them (`%s::uuid[]`; pure).

A batch binds tens of thousands of values; a driver that looks at each one's type costs more than the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from agent.model.ids import EntityText


def plain(values: Iterable[int | EntityText]) -> str:
    """Numbers or ids: nothing in them needs a quote."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Texts and NULLs."""
    return "{" + ",".join("NULL" if v is None else _quoted(v) for v in values) + "}"


def column(values: Sequence[Any]) -> str:
    """One column of a batch: numbers, booleans, moments or texts, and NULLs. Mostly they are all the same."""
    if not values:
        return "{}"
    first = values[0]
    if values.count(first) == len(values):
        return "{" + ",".join([_element(first)] * len(values)) + "}"
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return _quoted(value)
    return f'"{value.isoformat()}"' if isinstance(value, datetime) else str(value)


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
