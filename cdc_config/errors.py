"""The root of the error tree and the configuration's own errors; agent.errors adds the branches above.

Raise inside, log once at the boundary (daemon, CLI, worker loop). `Disposition` is the only thing a loop
looks at to decide how it goes on; the text is for the person who reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Disposition(StrEnum):
    """What the stage that meets the error does next."""

    RETRY = "retry"  # the same thing again, after a backoff
    WAIT = "wait"  # not before a stated moment or condition
    PARK = "park"  # this row, entity or command needs a person; the rest goes on
    STOP = "stop"  # going on would be unsafe; the process ends with a non-zero code


def one_line(what: str, where: str, remedy: str) -> str:
    """The three parts of an error as one line of text."""
    place = f"{where}: " if where else ""
    hint = f" → {remedy}" if remedy else ""
    return f"{place}{what}{hint}"


class CoexistError(Exception):
    """Base of everything this product raises on purpose.

    what: one sentence, what is wrong. where: file:line, table, key or endpoint. remedy: what a person can do.
    """

    disposition: Disposition = Disposition.STOP
    exit_code: int = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        return one_line(self.what, self.where, self.remedy)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in what an operator wrote. where: file:line."""

    what: str
    where: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return one_line(self.what, self.where, self.remedy)


class ConfigError(CoexistError):
    """The configuration is wrong; nothing was started. `problems` lists all that was found, at least one."""

    exit_code = 2

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.problems = tuple(problems) or (Problem(what, where, remedy),)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ConfigError:
        """One error that tells all problems at once."""
        if len(problems) == 1:
            only = problems[0]
            return cls(only.what, where=only.where, remedy=only.remedy)
        return cls(f"the configuration has {len(problems)} problems", problems=problems)

    def __str__(self) -> str:
        head = super().__str__()
        return head if len(self.problems) == 1 else "\n  ".join([head, *map(str, self.problems)])
