"""The error tree: every error says what happened, where, what to do, and what the caller should do next.

The root stands in cdc_config.errors, because configuration is read below everything else.
"""

from __future__ import annotations

from cdc_config.errors import CoexistError as CoexistError
from cdc_config.errors import ConfigError as ConfigError
from cdc_config.errors import Disposition as Disposition
from cdc_config.errors import Problem as Problem


class MappingError(ConfigError):
    """A mapping's SQL cannot be maintained, does not parse, or names what does not exist."""


class SourceError(CoexistError):
    """A source cannot be captured safely (wal_level, slot in use, restored, slot ahead of the store)."""


class SourceUnavailable(SourceError):
    """The source cannot be reached just now."""

    disposition = Disposition.RETRY
    exit_code = 7


class SlotInUse(SourceError):
    """Another process reads the replication slot: a stranger, or a predecessor whose end the server has not noticed."""

    disposition = Disposition.RETRY


class StreamBroken(SourceError):
    """A source's stream cannot be followed any further without a person; other sources and all targets go on."""

    disposition = Disposition.WAIT
    exit_code = 7


class SnapshotAhead(SourceError):
    """The stream goes on with a new snapshot of the source: everything before it has been handed over."""

    disposition = Disposition.RETRY


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
