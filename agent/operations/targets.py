"""Stop all writes to a target at once, and let them go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from agent.operations import audit
from agent.store.queries import queries

_SQL = queries("agent.operations", "targets")


@dataclass(frozen=True, slots=True)
class TargetChanged:
    """What a pause or a resume did; changed False: it was so already."""

    target: str
    action: str
    changed: bool


def pause(conn: psycopg.Connection[Any], target: str, *, actor: str, reason: str) -> TargetChanged:
    """No call to the target is claimed from now on; what is on the wire ends. Nothing is lost meanwhile."""
    return _change(conn, target, "pause", actor, reason)


def resume(conn: psycopg.Connection[Any], target: str, *, actor: str, reason: str) -> TargetChanged:
    """Let calls go again, also after the agent stopped the target by itself (credentials, wrong tenant)."""
    return _change(conn, target, "resume", actor, reason)


def _change(
    conn: psycopg.Connection[Any], target: str, action: str, actor: str, reason: str
) -> TargetChanged:
    with conn.transaction():
        done = conn.execute(_SQL[action], {"target": target, "actor": actor, "reason": reason}).rowcount
        audit.record(conn, actor, f"target.{action}", target, reason, {"changed": bool(done)})
    return TargetChanged(target, action, bool(done))
