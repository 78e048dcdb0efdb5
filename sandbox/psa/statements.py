"""The texts of this package's `.sql` files."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)\s*$", re.MULTILINE)


@cache
def statements(name: str) -> dict[str, str]:
    """The statements of sql/<name>.sql that a `-- name: x` line introduces, in order."""
    parts = _NAME.split(_text(name))
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


def script(name: str) -> list[str]:
    """The statements of sql/<name>.sql, one after the other, without comments."""
    lines = (line.split("--")[0] for line in _text(name).splitlines())
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def _text(name: str) -> str:
    return files("sandbox.psa").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
