"""Foreign keys out of the text of SHOW CREATE TABLE, which whoever may read a table may see (pure)."""

from __future__ import annotations

import re

from agent.model.changes import FkAction, ForeignKey

_NAME = r"`(?:[^`]|``)*`"
_NAMES = rf"\(({_NAME}(?:, {_NAME})*)\)"
_ACTION = r"(CASCADE|SET NULL|SET DEFAULT|NO ACTION|RESTRICT)"
# One a line; line breaks within comments and defaults are printed as \n.
_KEY = re.compile(
    rf"^  CONSTRAINT {_NAME} FOREIGN KEY {_NAMES} REFERENCES (?:({_NAME})\.)?({_NAME}) {_NAMES}"
    rf"(?: ON DELETE {_ACTION})?(?: ON UPDATE {_ACTION})?,?$",
    re.MULTILINE,
)
_ACTIONS: dict[str, FkAction] = {"CASCADE": "cascade", "SET NULL": "set null"}


def foreign_keys(text: str, schema: str) -> tuple[ForeignKey, ...]:
    """All of a table in `schema`, in the order of the text; what is refused or ignored is the action "none"."""
    return tuple(
        ForeignKey(
            _listed(key[1]), _plain(key[2]) if key[2] else schema, _plain(key[3]), _listed(key[4]),
            _ACTIONS.get(key[5] or "", "none"), _ACTIONS.get(key[6] or "", "none"),
        )
        for key in _KEY.finditer(text)
    )  # fmt: skip


def _listed(text: str) -> tuple[str, ...]:
    return tuple(_plain(name) for name in re.findall(_NAME, text))


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`")
