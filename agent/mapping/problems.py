"""How a mapping is refused: what is wrong, at which line of which file, and what to write instead."""

from __future__ import annotations

import re
from typing import NoReturn

from sqlglot import exp

from agent.errors import MappingError


class Problems:
    """Makes MappingErrors that point into one mapping file."""

    def __init__(self, sql: str, path: str) -> None:
        self.sql = sql
        self.path = path

    def refuse(
        self, what: str, remedy: str, node: exp.Expr | None = None, text: str | None = None
    ) -> NoReturn:
        """Raise, at the line of `node`, else at the first occurrence of `text`, else at the file."""
        raise self.error(what, remedy, node, text)

    def error(
        self, what: str, remedy: str, node: exp.Expr | None = None, text: str | None = None
    ) -> MappingError:
        """The error that `refuse` raises."""
        line = _line_of(node) or self._line_of_text(text) or _line_above(node)
        return MappingError(what, where=f"{self.path}:{line}" if line else self.path, remedy=remedy)

    def _line_of_text(self, text: str | None) -> int | None:
        found = re.search(rf"\b{re.escape(text)}\b", self.sql, re.IGNORECASE) if text else None
        return self.sql.count("\n", 0, found.start()) + 1 if found else None


def _line_of(node: exp.Expr | None) -> int | None:
    if node is None:
        return None
    lines = [n.meta["line"] for n in node.walk() if "line" in n.meta]
    return min(lines) if lines else None


def _line_above(node: exp.Expr | None) -> int | None:
    while node is not None:
        node = node.parent
        line = _line_of(node)
        if line:
            return line
    return None
