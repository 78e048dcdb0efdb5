"""Puts the stages of one source together: compile its mappings, shape its mirror, build its deriver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from agent.capture.configured import (
    Settings,
    all_tables,
    dialect_of,
    open_capture,
    relations_of,
    settings_of,
)
from agent.decide.brake import BrakeRules
from agent.decide.plan import EntityPlan, ReferencePlan, TargetPlan
from agent.decide.write import Decider
from agent.derive.affected import Affected
from agent.derive.deriver import Deriver
from agent.derive.keys import SourceKeys
from agent.derive.steps import StepCutter, Watched, own_links
from agent.derive.tables import MappingTables
from agent.errors import MappingError, SourceError, SourceUnavailable, StreamBroken
from agent.identity.ids import entity_id, key_text, net_moves
from agent.inbox.intake import Intake
from agent.mapping.compile import compile_mapping
from agent.mapping.verify import describe, prepare_all
from agent.mirror.foreign_keys import unfollowable
from agent.mirror.merge import Mirror
from agent.mirror.tables import ensure_indexes, ensure_table, mirror_schema
from agent.model.changes import Relation
from agent.model.mapping import CompiledMapping, TableName
from agent.operations.mappings import schema_of
from agent.store.leases import holder_of
from agent.wiring.rules import rules_changed
from canonical.entities import ENTITIES
from canonical.ownership import compile_ownership
from cdc_config.loader import load_profile
from cdc_config.models import Config, MappingConfig
from cdc_config.profile import Profile

# One plan for the life of a session, found by keys and never by scanning: a batch must cost the same whatever the mirror holds.
_SESSION = (
    "SET jit = off", "SET plan_cache_mode = force_generic_plan", "SET enable_hashjoin = off", "SET enable_mergejoin = off",
    "SET enable_seqscan = off", "SET temp_buffers = '32MB'", "SET work_mem = '32MB'", "SET timezone = 'UTC'",
)  # fmt: skip


_PARSED_AS = {"mariadb": "mysql"}  # sqlglot's name for both


class SourceFactory:
    """Makes what the loops of one source need, from configuration, secrets and the source's own catalogue."""

    def __init__(self, config: Config, source: str) -> None:
        self._config = config
        self._source = source
        self._settings = config.sources[source]

    def check(self, conn: psycopg.Connection[Any]) -> None:
        """Refuse at start what would only fail later: a secret, a mapping, a source that cannot be captured from where the
        store (`conn`) stands.
        """
        try:
            with closing(open_capture(self.capture_settings(), None)) as capture:
                compile_source(self._config, self._source, capture.relations())
                if holder_of(conn, f"capture:{self._source}") is None:
                    # Else another replica reads the source, and a slot that is in use is in use by it.
                    capture.check(Intake(conn, self._source).state.resume())
        except (SourceUnavailable, StreamBroken):
            return  # one that is down now is waited for, and for one that needs a person the others do not wait

    def capture_settings(self) -> Settings:
        """For a capture of the tables that the mappings read. Raises SourceUnavailable, SourceError, MappingError."""
        return settings_of(self._source, self._settings, tables_to_capture(self._config, self._source))

    def deriver(self, conn: psycopg.Connection[Any], on_commit: Callable[[], None]) -> Deriver:
        """A deriver on `conn`, its mappings compiled against the source's tables as they are now.

        Where the source is down, against what was captured of it: what is in the inbox is derived all the same.
        """
        intake = Intake(conn, self._source)
        try:
            with closing(open_capture(self.capture_settings(), None)) as capture:
                relations: Sequence[Relation] = capture.relations()
        except SourceUnavailable:
            relations = intake.relations
            if not relations:
                raise
        if intake.state.snapshot_state == "done":
            self._refuse_unsnapshotted(relations, intake.relations)
        mappings = compile_source(self._config, self._source, relations)
        return build_deriver(
            conn,
            self._config,
            self._source,
            intake.stream_id,
            intake.incarnation,
            mappings,
            relations,
            on_commit,
        )

    def _refuse_unsnapshotted(self, relations: Sequence[Relation], captured: Sequence[Relation]) -> None:
        have = {(r.schema, r.table) for r in captured}
        for relation in relations:
            if (relation.schema, relation.table) not in have:
                raise SourceError(
                    f"table {relation.schema}.{relation.table} is mapped now, but was not part of the snapshot",
                    where=f"source {self._source}", remedy="`coexist source resnapshot`, which reads every mapped table anew",
                )  # fmt: skip


@dataclass(frozen=True)
class SourceMappings:
    """The compiled mappings of one source, in dependency order (masters before documents)."""

    source: str
    compiled: tuple[CompiledMapping, ...]
    configs: Mapping[str, MappingConfig]


def compile_source(config: Config, source: str, relations: Sequence[Relation]) -> SourceMappings:
    """Compile every mapping of a source against its captured tables. Raises MappingError with file and line."""
    dialect = dialect_of(config.sources[source])
    schema = schema_of(config, source, relations)
    order = {name: n for n, name in enumerate(ENTITIES)}
    mine = sorted(
        ((name, m) for name, m in config.mappings.items() if m.source == source),
        key=lambda item: order.get(item[1].entity, 99),
    )
    compiled = tuple(
        compile_mapping(
            name=name, source=source, entity=m.entity, sql=Path(m.sql).read_text(encoding="utf-8"), sql_path=str(m.sql),
            key=m.key,
            dialect=dialect, schema=schema, mirror_schema=mirror_schema(source), consent_every_root=m.consent_every_root,
        )
        for name, m in mine
    )  # fmt: skip
    return SourceMappings(source, compiled, dict(mine))


def tables_to_capture(config: Config, source: str) -> tuple[tuple[str, str], ...]:
    """(schema, table) of all that the mappings of a source read, and of the parents whose foreign keys act on those unseen.

    Raises SourceUnavailable, SourceError, MappingError.
    """
    settings = config.sources[source]
    tables = captured_tables(config, source, all_tables(settings))
    while True:
        relations = relations_of(settings, tables)
        acting = {(k.parent_schema, k.parent_table) for r in relations for k in r.foreign_keys}
        more = sorted(p for p in acting - set(tables) if p[0] in {r.schema for r in relations})
        if not more:
            break
        tables = (*tables, *more)
    refused = unfollowable(relations)
    if refused:
        raise SourceError(
            "; ".join(refused), where=f"source {source}",
            remedy="capture the parent table too, or drop the foreign key's action",
        )  # fmt: skip
    return tables


def captured_tables(
    config: Config, source: str, present: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """The tables that the mappings of a source read, out of those its catalogue has."""
    wanted: dict[tuple[str, str], None] = {}
    for mapping in config.mappings.values():
        if mapping.source == source:
            for schema, table in tables_read(Path(mapping.sql), dialect_of(config.sources[source])):
                found = [p for p in present if p[1] == table and schema in ("", p[0])]
                if not found:
                    raise MappingError(
                        f"the source has no table {schema + '.' if schema else ''}{table}", where=str(mapping.sql),
                        remedy="correct the name, or grant the capture user SELECT on it",
                    )  # fmt: skip
                wanted[found[0]] = None
    return tuple(wanted)


def tables_read(path: Path, dialect: str = "postgres") -> list[tuple[str, str]]:
    """(schema or "", table) of every table a mapping's text names."""
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect=_PARSED_AS.get(dialect, dialect))
    except sqlglot.ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise MappingError(
            str(first.get("description") or error),
            where=f"{path}:{first.get('line', 1)}",
            remedy="correct the SQL",
        ) from error
    ctes = {c.alias for c in tree.find_all(exp.CTE)}
    found = {(t.db, t.name) for t in tree.find_all(exp.Table) if t.db or t.name not in ctes}
    return sorted(found)


def build_deriver(
    conn: psycopg.Connection[Any], config: Config, source: str, stream_id: int, incarnation: int,
    mappings: SourceMappings, relations: Sequence[Relation], on_commit: Callable[[], None] = lambda: None,
) -> Deriver:  # fmt: skip
    """A deriver on its own connection: mirror shaped, state tables at this version, statements prepared."""
    mirror = _shape(conn, source, stream_id, incarnation, mappings, relations)
    tables = []
    for number, mapping in enumerate(mappings.compiled):
        prepare_all(conn, mapping)
        tables.append(MappingTables(mapping, dict(describe(conn, mapping)), number))
    # A version is activated and its entities are marked in one commit, or a crash in between would forget them.
    with conn.transaction():
        known = {row[0] for row in conn.execute("SELECT DISTINCT mapping FROM coexist.mapping_version")}
        # One that is taken out of the configuration misses changes; when it comes back it is derived anew.
        conn.execute(
            "UPDATE coexist.mapping_version SET active = false WHERE active AND NOT mapping = ANY (%s)",
            (list(config.mappings),),
        )
        changed = [table.mapping.name for table in tables if table.activate(conn)]
        replayed = [table.mapping.name for table in tables if rules_changed(conn, config, table.mapping)]
        for statement in _SESSION:
            conn.execute(statement)
        for table in tables:
            table.create_temporary(conn)
        deriver = _deriver(conn, config, source, stream_id, mappings, mirror, tables, on_commit)
        if changed:
            # What a new mapping finds in the mirror was there before it: its baseline.
            deriver.derive_again([name for name in changed if name not in known], "baseline")
            deriver.derive_again([name for name in changed if name in known], "remap")
        if replayed:
            deriver.derive_again(replayed, "replay")
    return deriver


def _deriver(
    conn: psycopg.Connection[Any], config: Config, source: str, stream_id: int, mappings: SourceMappings, mirror: Mirror,
    tables: Sequence[MappingTables], on_commit: Callable[[], None],
) -> Deriver:  # fmt: skip
    own = {name: frozenset(m.own_tables) for name, m in mappings.configs.items()}
    keys = SourceKeys(conn, source, entity_id, key_text)
    watched = [
        Watched(
            m, mappings.configs[m.name].step_column or "", own_links(m, mappings.configs[m.name].own_tables)
        )
        for m in mappings.compiled
        if mappings.configs[m.name].keep == "every_change" and mappings.configs[m.name].step_column
    ]
    decider = Decider(
        conn, stream_id, source, entity_plans(config, mappings), {m.name: m.version for m in mappings.compiled},
        keys.resolve, {n: BrakeRules(t.brake.records, t.brake.share, t.brake.minimum) for n, t in config.targets.items()},
    )  # fmt: skip
    return Deriver(
        conn, stream_id, tables, Affected(conn, tables, own), mirror, decider, keys, StepCutter(conn, watched), net_moves,
        batch_rows=config.agent.batch_rows, slice_entities=config.agent.slice_entities, on_commit=on_commit,
    )  # fmt: skip


def _shape(
    conn: psycopg.Connection[Any], source: str, stream_id: int, incarnation: int, mappings: SourceMappings,
    relations: Sequence[Relation],
) -> Mirror:  # fmt: skip
    mirror = Mirror(conn, stream_id, source, incarnation)
    with conn.transaction():
        for relation in relations:
            name = TableName(relation.schema, relation.table)
            mirror.tables[name] = ensure_table(conn, stream_id, source, relation, mirror.tables.get(name))
        ensure_indexes(conn, mirror.tables, [need for m in mappings.compiled for need in m.required_indexes])
    return mirror


def entity_plans(config: Config, mappings: SourceMappings) -> dict[str, EntityPlan]:
    """What deciding each mapping's entities needs, from the configuration."""
    profiles = {name: load_profile(t.profile) for name, t in config.targets.items()}
    ownership = compile_ownership(config.ownership, mappings.source)
    plans: dict[str, EntityPlan] = {}
    for mapping in mappings.compiled:
        m = mappings.configs[mapping.name]
        targets = tuple(
            TargetPlan(name, profiles[name].objects[m.entity], t.objects[m.entity].historical, t.legal_entities)
            for name, t in config.targets.items() if m.entity in t.objects and m.entity in profiles[name].objects
        )  # fmt: skip
        own = set(m.own_tables)
        own_fields = frozenset(
            o.name for o in mapping.outputs if any(str(table) in own for table, _ in o.sources)
        )
        plans[mapping.name] = EntityPlan(
            mapping.name, mapping.source, ENTITIES[m.entity], m.keep == "every_change", ownership, targets, m.value_maps,
            {n: v for n, v in config.value_maps.items() if n in m.value_maps.values()},
            _references(mapping, m.entity, profiles.values()), own_fields,
        )  # fmt: skip
    return plans


def _references(mapping: CompiledMapping, entity: str, profiles: Any) -> tuple[ReferencePlan, ...]:
    """Reference fields: what the view's ref_ outputs name and some target's profile knows as a reference."""
    groups: dict[str, list[str]] = defaultdict(list)
    for output in mapping.outputs:
        if output.name.startswith("ref_"):
            groups[output.name[4:].rpartition("__")[0]].append(output.name)
    found = []
    for path, outputs in groups.items():
        list_field, _, field = path.rpartition("__")
        means = _meaning(profiles, entity, list_field, field)
        if means is not None:
            found.append(ReferencePlan(field, means[0], tuple(sorted(outputs)), means[1], list_field or None))
    return tuple(found)


def _meaning(
    profiles: Sequence[Profile], entity: str, list_field: str, field: str
) -> tuple[str, bool] | None:
    for profile in profiles:
        obj = profile.objects.get(entity)
        if obj is None:
            continue
        children = obj.children if obj.children and obj.children.field == list_field else None
        fields = obj.fields if not list_field else children.fields if children else {}
        known = fields.get(field)
        if known is not None and known.reference is not None:
            return known.reference, known.deferrable
    return None
