"""Is this the store we knew? A store restored from a copy has forgotten what it sent; then every create asks first."""

from __future__ import annotations

from typing import Any

import psycopg

from agent.errors import StoreError


def check_store(conn: psycopg.Connection[Any]) -> None:
    """Record the store's own system id and timeline, or refuse when they changed.

    Raises StoreError with the operator's way on: accept the restore, after which every create asks its target first.
    """
    row = conn.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    timeline = conn.execute("SELECT timeline_id FROM pg_control_checkpoint()").fetchone()
    assert row is not None
    assert timeline is not None
    known = conn.execute("SELECT system_id, timeline FROM coexist.store_identity").fetchone()
    if known is None:
        conn.execute(
            "INSERT INTO coexist.store_identity (system_id, timeline) VALUES (%s, %s)", (row[0], timeline[0])
        )
    elif known != (row[0], timeline[0]):
        raise StoreError(
            f"this store was restored or failed over: system {row[0]} timeline {timeline[0]},"
            f" known {known[0]} timeline {known[1]}",
            where="store",
            remedy="`coexist store accept-restore --reason …`: every create will then ask its target first",
        )


def accept_restore(conn: psycopg.Connection[Any]) -> int:
    """Take the store as it is; every record must be asked about before it is written again. Returns their number.

    Commands that were in flight are unknown: what became of them only the targets can tell.
    """
    with conn.transaction():
        conn.execute("DELETE FROM coexist.store_identity")
        check_store(conn)
        conn.execute("UPDATE coexist.store_identity SET restored_at = now()")
        return conn.execute("UPDATE coexist.record SET must_ask = true").rowcount
