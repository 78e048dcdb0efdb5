"""The one error of the stack: what is wrong, and what to do about it."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot be had or does not run. Its text says what, where, and what helps."""

    def __init__(self, what: str, *, where: object = None, remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        place = f" ({where})" if where is not None else ""
        super().__init__(f"{what}{place}" + (f": {remedy}" if remedy else ""))
