"""When a side was restored under us: take the store as it is, or read a source anew. Both need an operator's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from agent.errors import PolicyRefused, StoreError
from agent.operations import audit
from agent.store.queries import queries

_SQL = queries("agent.operations", "restores")


@dataclass(frozen=True, slots=True)
class RestoreAccepted:
    """records: how many are asked about at their target before anything else is written to them."""

    records: int


@dataclass(frozen=True, slots=True)
class SnapshotOrdered:
    """incarnation: the number that the source's new beginning gets. discarded: rows of an unfinished transaction."""

    source: str
    incarnation: int
    discarded: int


def check_store(conn: psycopg.Connection[Any]) -> None:
    """Record the store's own system id and timeline, or refuse when they changed.

    Raises StoreError with the operator's way on: accept the restore, after which every create asks its target first.
    """
    with conn.transaction():
        here = _one(conn, "this_store")
        conn.execute(_SQL["remember_store"], here)
        known = _one(conn, "known_store")
        if known != here:
            raise StoreError(
                f"this store was restored or failed over: system {here[0]} timeline {here[1]},"
                f" known {known[0]} timeline {known[1]}",
                where="store",
                remedy="make sure that its original is gone for good, then `coexist store accept-restore --reason …`:"
                " every create will ask its target first",
            )


def accept_restore(conn: psycopg.Connection[Any], *, actor: str, reason: str) -> RestoreAccepted:
    """Take the store as it is. What it wrote after the copy was made it has forgotten, so every record is asked about
    before it is written again, also those that are yet to be made.
    """
    with conn.transaction():
        here = _one(conn, "this_store")
        conn.execute(_SQL["accept_store"], here)
        records = conn.execute(_SQL["ask_about_all"]).rowcount
        audit.record(conn, actor, "store.accept-restore", f"{here[0]}/{here[1]}", reason, {"records": records})
    return RestoreAccepted(records)


def resnapshot(conn: psycopg.Connection[Any], source: str, *, actor: str, reason: str) -> SnapshotOrdered:
    """Read every mapped table of a source anew, as a new incarnation of it: a running agent begins at once, else the
    next start does. What is in the inbox is derived first; rows that the source no longer has are swept, behind the brake.
    """
    with conn.transaction():
        row = conn.execute(_SQL["lock_stream"], (source,)).fetchone()
        if row is None:
            raise PolicyRefused(
                f"nothing was ever captured of {source}, so there is nothing to read anew",
                where=f"source {source}",
                remedy="`coexist run` takes its first snapshot by itself",
            )
        stream_id, incarnation, state, *known = row
        discarded = conn.execute(_SQL["discard_open_rows"], {"stream": stream_id}).rowcount
        conn.execute(_SQL["discard_open_held"], {"stream": stream_id})
        if discarded:
            conn.execute(_SQL["count_discarded"], (source, discarded))
        conn.execute(_SQL["begin_incarnation"], {"stream": stream_id})
        details = {"incarnation": incarnation + 1, "was": [state, *map(str, known)], "discarded": discarded}
        audit.record(conn, actor, "source.resnapshot", source, reason, details)
    return SnapshotOrdered(source, incarnation + 1, discarded)


def _one(conn: psycopg.Connection[Any], name: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = conn.execute(_SQL[name]).fetchone()
    assert row is not None
    return row
