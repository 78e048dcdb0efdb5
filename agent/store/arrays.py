"""Long lists as PostgreSQL array texts, for statements that cast them (`%s::uuid[]`; pure).

A batch binds tens of thousands of values; a driver that looks at each one's type costs more than the statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.model.ids import EntityText


def plain(values: Iterable[int | EntityText]) -> str:
    """Numbers or ids: nothing in them needs a quote."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Texts and NULLs."""
    return "{" + ",".join("NULL" if v is None else _quoted(v) for v in values) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
