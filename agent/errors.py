"""The error tree: every error says what happened, where, what to do, and what the caller should do next.

Raise inside, log once at the boundary (daemon, CLI, worker loop). `Disposition` is the only thing a loop
looks at to decide how it goes on; the text is for the person who reads it.
"""

from __future__ import annotations

from enum import StrEnum


class Disposition(StrEnum):
    """What the stage that meets the error does next."""

    RETRY = "retry"  # the same thing again, after a backoff
    WAIT = "wait"  # not before a stated moment or condition
    PARK = "park"  # this row, entity or command needs a person; the rest goes on
    STOP = "stop"  # going on would be unsafe; the process ends with a non-zero code


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
        place = f"{self.where}: " if self.where else ""
        hint = f" → {self.remedy}" if self.remedy else ""
        return f"{place}{self.what}{hint}"


class ConfigError(CoexistError):
    """The configuration is wrong; nothing was started."""

    exit_code = 2


class MappingError(ConfigError):
    """A mapping's SQL cannot be maintained, does not parse, or names what does not exist."""


class SourceError(CoexistError):
    """A source cannot be captured safely (wal_level, slot in use, restored, slot ahead of the store)."""


class SourceUnavailable(SourceError):
    """The source cannot be reached just now."""

    disposition = Disposition.RETRY
    exit_code = 7


class StoreError(CoexistError):
    """The store refused, or is not the store we knew."""


class StoreUnavailable(StoreError):
    """The store cannot be reached just now."""

    disposition = Disposition.RETRY


class LostPosition(CoexistError):
    """Another reader or deriver moved the position on; this one starts again from the store."""

    disposition = Disposition.RETRY


class TargetError(CoexistError):
    """A target answered something that needs a decision."""

    disposition = Disposition.PARK


class TargetUnavailable(TargetError):
    """A target cannot be reached just now, or asked us to come back later."""

    disposition = Disposition.RETRY
    exit_code = 7


class PolicyRefused(CoexistError):
    """A rule forbids what was asked (a pinned tenant, a brake, a missing reason)."""

    exit_code = 6
