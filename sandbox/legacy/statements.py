"""Named statements of this package's `.sql` files."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)\s*$", re.MULTILINE)


@cache
def script(name: str) -> str:
    """The whole text of sql/<name>.sql."""
    return files("sandbox.legacy").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def statements(name: str) -> dict[str, str]:
    """The statements of sql/<name>.sql that a `-- name: x` line introduces, in order."""
    parts = _NAME.split(script(name))
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}
