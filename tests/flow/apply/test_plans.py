"""Statements that are planned while nothing waits, and then meet a full outbox: by number, never by reading an index whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from agent.store.queries import queries
from agent.wiring.target import BY_KEY
from tests.flow.apply.conftest import Bench

_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_ENDED = """
    INSERT INTO coexist.command (command_id, target, object, entity_id, kind, wanted, state)
    SELECT n, 'erp', 'customer', gen_random_uuid(), 'state', '{}', 'applied' FROM generate_series(1, 20000) n"""
_ARRAYS = (
    "calls", "requests", "commands", "actions", "keys", "digests", "bodies", "markers", "progress", "call_id", "command_id",
    "kind", "native_id", "token", "status", "code", "message", "happened", "ask", "to", "reason", "not_before", "attempts",
)  # fmt: skip


def _arguments(file: str) -> dict[str, Any]:
    plain = {
        "target": "erp",
        "worker": "w",
        "now": _NOW,
        "lease_until": _NOW,
        "from": ["waiting"],
        "from_late": ["unknown"],
    }
    if file == "leases":
        return plain | {"requests": [1], "to": "waiting", "alone": True, "instance": "w#", "released": "waiting",
                        "lost": "unknown", "longest": 1.0}  # fmt: skip
    return (
        dict.fromkeys(_ARRAYS, "{NULL}")
        | plain
        | {"rows": "[]"}
        | ({"to": "in_flight"} if file == "claim" else {})
    )


@pytest.mark.parametrize(
    ("package", "file", "name"),
    [
        ("agent.outbox", "claim", "intend"),
        ("agent.outbox", "claim", "settle"),
        ("agent.outcome", "record", "record"),
        ("agent.outbox", "leases", "release"),
        ("agent.outbox", "leases", "take_over"),
    ],
)
def test_a_command_is_looked_up_by_its_number(bench: Bench, package: str, file: str, name: str) -> None:
    bench.store.execute(_ENDED)
    bench.store.execute("ANALYZE coexist.command")
    plan = _plan(bench.store, queries(package, file)[name], _arguments(file))
    used = {word for line in plan for word in line.split() if word.startswith("command_")}
    assert used == {"command_pkey"}
    assert not any("Seq Scan on command" in line for line in plan)


def _plan(conn: psycopg.Connection[Any], statement: str, arguments: dict[str, Any]) -> list[str]:
    with conn.transaction(force_rollback=True):
        conn.execute(BY_KEY)
        return [
            row[0] for row in conn.execute(f"EXPLAIN (COSTS OFF) {statement}".encode(), arguments).fetchall()
        ]
