"""What a mapping's entities are decided by, as one digest: when it changes between two starts they are decided anew."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
import psycopg

from agent.model.mapping import CompiledMapping
from cdc_config.models import Config


def rules_digest(config: Config, mapping: str) -> str:
    """Ownership of the mapping's object, the value maps it uses, and the targets it goes to."""
    settings = config.mappings[mapping]
    ownership = config.ownership
    parts = {
        "ownership": [ownership.version, ownership.groups.get(settings.entity, {}),
                      [rule.model_dump(mode="json") for rule in ownership.rules if rule.object == settings.entity]],
        "value_maps": [settings.value_maps, {
            name: value for name, value in config.value_maps.items() if name in settings.value_maps.values()}],
        "targets": sorted(
            [name, target.profile, target.legal_entities]
            for name, target in config.targets.items() if settings.entity in target.objects
        ),
    }  # fmt: skip
    dumped = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=_plain)
    return sha256(dumped).hexdigest()[:16]


def rules_changed(conn: psycopg.Connection[Any], config: Config, mapping: CompiledMapping) -> bool:
    """Store the digest; True when entities were decided by another one. Inside the caller's transaction."""
    digest = rules_digest(config, mapping.name)
    before = conn.execute(
        "SELECT rules FROM coexist.mapping_version WHERE mapping = %s AND rules <> ''"
        " ORDER BY active DESC, activated_at DESC LIMIT 1", (mapping.name,),
    ).fetchone()  # fmt: skip
    conn.execute(
        "UPDATE coexist.mapping_version SET rules = CASE WHEN active THEN %s ELSE '' END WHERE mapping = %s",
        (digest, mapping.name),
    )
    return before is not None and before[0] != digest


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json")
