"""Large values that only a held row carried, given to the later rows that left them alone.

A source does not send a large value that a change left alone, and the mirror is where it stands; but not when the change that
carried it could not be read, and is held. Its raw image has the value, unless that very value was what could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg

from agent.mirror.statements import TableStatements
from agent.store.queries import queries

_SQL = queries("agent.mirror", "merge")
_MARK = "\x00unchanged"  # in an image held at COPY
_ESCAPED = "\\x"  # there, in a value of which bytes were no text


class Unreadable(Exception):
    """The value is what could not be read."""


def carried(stage: str, image: Mapping[str, Any], position: int) -> tuple[bool, str | None]:
    """(did the held row carry the column at `position`, its value). Positions count from 1. Raises Unreadable."""
    values = image["new"]
    if values is None:
        return False, None
    if stage == "merge":
        return position not in (image["unchanged"] or ()), values[position - 1]
    value = values[position - 1]
    if value == _MARK:
        return False, None
    if value is not None and _ESCAPED in value:
        raise Unreadable
    return True, value


class HeldValues:
    """Looks behind rows with unchanged values, for as long as a row of their key is held."""

    def __init__(self, conn: psycopg.Connection[Any], source: str) -> None:
        self._conn = conn
        self._source = source

    def hand_on(self, statements: TableStatements, params: Mapping[str, Any]) -> list[int]:
        """Complete the rows of one table in the inbox (params: stream, first, last, relation). Returns the numbers of those
        that cannot be completed.
        """
        prefix = f"row:{self._source}:{statements.table.name}:"
        behind = self._conn.execute(
            statements.text("behind_held"), {**params, "prefix": prefix}, prepare=True
        ).fetchall()
        lost = []
        for seq, unchanged, key, since in behind:
            here = {**params, "seq": seq, "key": key, "since": since}
            try:
                self._complete(statements, here, unchanged)
            except Unreadable:
                lost.append(seq)
        return lost

    def _complete(self, statements: TableStatements, here: Mapping[str, Any], unchanged: Sequence[int]) -> None:
        before = self._conn.execute(statements.text("rows_before"), here).fetchall()
        for position in unchanged:
            for relation, stage, image, left in before:
                if stage is None and position in (left or ()):
                    continue
                if stage is None:
                    break  # a row that could be read carried it: it is found along the batch
                if relation != here["relation"]:
                    raise Unreadable
                has, value = carried(stage, orjson.loads(bytes(image)), position)
                if has:
                    self._conn.execute(_SQL["complete_row"], {**here, "position": position, "value": value})
                    break
