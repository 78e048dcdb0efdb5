"""Who changed what, and why: one row per change, in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from agent.errors import PolicyRefused
from agent.store.queries import queries

_SQL = queries("agent.operations", "audit")


def record(
    conn: psycopg.Connection[Any], actor: str, action: str, subject: str, reason: str,
    details: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write the audit row. Raises PolicyRefused without an actor or a reason."""
    if not actor.strip():
        raise PolicyRefused(f"{action} needs an actor", remedy="add --actor NAME")
    if not reason.strip():
        raise PolicyRefused(f"{action} needs a reason", remedy="add --reason TEXT")
    conn.execute(_SQL["record"], (actor, action, subject, reason, Jsonb(dict(details or {}))))
