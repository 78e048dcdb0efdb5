"""The ports between the line and the outside: one narrow protocol each, one file per implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from agent.model.changes import CaptureBatch, Relation, ResumePoint, SourceIdentity
from agent.model.commands import Call, CallResult, Found, Json, RecordKey
from agent.model.ids import CommitPos, ObjectName


class Capture(Protocol):
    """A source's changes, in commit order. Used by one thread; `interrupt` may be called from another."""

    def check(self, resume: ResumePoint) -> SourceIdentity:
        """Refuse a source that cannot be captured safely from `resume`; raises SourceError with a remedy."""
        ...

    def relations(self) -> tuple[Relation, ...]:
        """The captured tables as the source's catalogue describes them now."""
        ...

    def snapshot(self, after: CommitPos | None = None) -> Iterator[CaptureBatch]:
        """A consistent snapshot as ONE transaction (slices with snapshot=True) at the point where `stream` goes on.

        Starts anew whenever it is called: leftovers of an interrupted one are removed first; where the source itself begins
        again, a batch says so (`anew`). After the last batch (complete=True) is durable the caller acknowledges, then
        calls `stream`. after: everything up to here has been captured already; matters where the snapshot was taken by
        somebody else and lies in the stream.
        """
        ...

    def stream(self, resume: ResumePoint) -> Iterator[CaptureBatch]:
        """Whole transactions after `resume.position`, in commit order, for ever; huge ones in slices.

        Yields an empty batch (no slices) at least every few seconds when idle, so that the idle position is stored
        and then acknowledged. Reconnects are the caller's: raises SourceUnavailable when the connection is lost, and
        SnapshotAhead where the stream goes on with a new snapshot, which is then asked for.
        """
        ...

    def acknowledge(self, position: CommitPos) -> None:
        """Everything up to `position` is durable in the store: the source may forget it."""
        ...

    def interrupt(self) -> None:
        """Make a blocked `snapshot` or `stream` end soon (from any thread)."""
        ...

    def close(self) -> None:
        """Release connections. The slot stays."""
        ...


class Target(Protocol):
    """One cloud system (or our sandbox): profile + protocol, wrapped by pacing. Sockets only perform."""

    async def check_tenant(self) -> None:
        """Raise PolicyRefused when the tenant that answers is not the pinned one."""
        ...

    async def send(self, calls: Sequence[Call]) -> list[CallResult]:
        """Perform the calls, batched where the protocol has it; one result per call, in order. Never raises for an
        answer the error table knows; a lost reply is UNKNOWN, a request that was never sent is RETRY."""
        ...

    async def find(self, key: RecordKey, external_key: Json, marker: str | None) -> list[Found]:
        """Ask for a record by external key, or by marker where no key is enforced. Empty: not there (now)."""
        ...

    def read_all(self, object_name: ObjectName) -> AsyncIterator[Found]:
        """Everything the target holds of an object, page by page (baseline)."""
        ...

    async def close(self) -> None:
        """Release sockets."""
        ...


class Observer(Protocol):
    """What the stages tell the outside about themselves; implemented by agent.observe."""

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram (seconds unless the name says otherwise)."""
        ...

    def event(self, level: str, message: str, **fields: object) -> None:
        """One structured log line."""
        ...
