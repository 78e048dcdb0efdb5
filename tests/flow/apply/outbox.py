"""Commands as the deriver makes them, for tests of apply: records, supersession, numbers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from agent.model.apply import TargetSpec
from agent.profile import render_external_key
from agent.store.jsonb import dumps
from cdc_config.loader import load_profile
from cdc_config.models import TargetObject
from cdc_config.profile import Limits

PROFILE = load_profile("d365fo")


def spec(**changes: Any) -> TargetSpec:
    """The shipped Finance & Operations target as apply sees it."""
    limits = Limits(concurrency=4, batch=50, longest_processing_seconds=5)
    settings = {name: TargetObject() for name in PROFILE.objects}
    values: dict[str, Any] = {
        "name": "erp",
        "objects": PROFILE.objects,
        "settings": settings,
        "legal_entities": {},
        "limits": limits,
        "remedies": {},
    }
    return TargetSpec(**(values | changes))


def open_target(conn: psycopg.Connection[Any]) -> None:
    """A target whose baseline is done."""
    conn.execute("INSERT INTO coexist.target (target, baseline_done) VALUES ('erp', true)")


def want(
    conn: psycopg.Connection[Any],
    object_name: str,
    entity: UUID,
    wanted: dict[str, Any],
    *,
    kind: str = "state",
    step: str | None = None,
    refs: list[dict[str, Any]] | None = None,
    own: bool = True,
    historical: bool = False,
    state: str = "waiting",
) -> int:
    """Make one command, as the deriver does: the record first, older waiting states superseded, one
    commit.
    """
    key: dict[str, str] = {}
    if wanted and not PROFILE.objects[object_name].server_key:
        key = render_external_key(PROFILE.objects[object_name], wanted, {})
    entity_le = wanted.get("legal_entity")
    with conn.transaction():
        conn.execute(
            "INSERT INTO coexist.record (target, object, entity_id, legal_entity, external_key)"
            " VALUES ('erp', %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (object_name, entity, entity_le, dumps(key)),
        )
        if kind != "step":
            conn.execute(
                "UPDATE coexist.command c SET state = 'superseded' WHERE target = 'erp' AND object = %(o)s"
                " AND entity_id = %(e)s AND state = 'waiting' AND kind = 'state'"
                " AND NOT EXISTS (SELECT FROM coexist.command s WHERE s.target = 'erp' AND s.object = %(o)s"
                " AND s.entity_id = %(e)s AND s.kind = 'step' AND s.command_id > c.command_id"
                " AND s.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked'))"
                " AND NOT (%(k)s = 'delete' AND EXISTS (SELECT FROM coexist.record r WHERE r.target = 'erp'"
                " AND r.object = %(o)s AND r.entity_id = %(e)s AND r.lifecycle = 'absent')"
                " AND EXISTS (SELECT FROM coexist.call k JOIN coexist.outcome u USING (call_id)"
                " WHERE k.target = 'erp' AND k.object = %(o)s AND k.entity_id = %(e)s"
                " AND k.action = 'create' AND u.kind = 'unknown'))",
                {"o": object_name, "e": entity, "k": kind},
            )
        row = conn.execute(
            "INSERT INTO coexist.command (command_id, target, object, entity_id, legal_entity, kind, step, wanted,"
            " refs, own_change, historical, state) VALUES (nextval('coexist.command_id_seq'), 'erp', %s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, %s) RETURNING command_id",
            (
                object_name,
                entity,
                entity_le,
                kind,
                step,
                dumps(wanted),
                dumps(refs or []),
                own,
                historical,
                state,
            ),
        ).fetchone()
    assert row is not None
    return int(row[0])


def states(conn: psycopg.Connection[Any]) -> dict[str, int]:
    """Number of commands by state."""
    return dict(conn.execute("SELECT state, count(*) FROM coexist.command GROUP BY 1").fetchall())
