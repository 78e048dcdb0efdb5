"""SQL by name: `.sql` files hold statements introduced by `-- name: some_name`, loaded once per package folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)\s*$", re.MULTILINE)


@cache
def queries(package: str, file: str) -> Mapping[str, LiteralString]:
    """Named statements of `<package>/sql/<file>.sql`, such as queries("agent.inbox", "intake")["append_txn"].

    The texts are ours, shipped with the code, hence LiteralString for psycopg. Raises KeyError on an unknown name.
    """
    text = files(package).joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {name: cast(LiteralString, body.strip()) for name, body in zip(parts[1::2], parts[2::2], strict=True)}
