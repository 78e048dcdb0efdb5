"""Are the mappings right? Each is compiled against the source as it is now, and compared with its canonical entity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.capture.configured import dialect_of, relations_of
from agent.errors import MappingError, Problem
from agent.mapping.compile import compile_mapping
from agent.mapping.schema import SourceSchema
from agent.mirror.tables import mirror_schema
from agent.model.changes import Relation
from agent.model.mapping import CompiledMapping
from canonical.entities import ENTITIES
from cdc_config.models import Config, MappingConfig
from cdc_config.problems import did_you_mean

_OURS = re.compile(
    r"^(key|ref)_"
)  # outputs for identity and references; every other one is a canonical field


@dataclass(frozen=True, slots=True)
class MappingReport:
    """One mapping: what it reads and needs, or why it is refused. every_root: tables whose any change reaches all."""

    name: str
    entity: str
    source: str
    sql: str
    version: str
    root: str
    key: tuple[str, ...]
    tables: tuple[str, ...]
    every_root: tuple[str, ...]
    required_indexes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def right(self) -> bool:
        """True when it can be maintained and fits its entity."""
        return not self.problems


def check_mappings(config: Config, only: Sequence[str] = ()) -> tuple[MappingReport, ...]:
    """Compile every mapping (or `only` those named). Raises SourceUnavailable when a source cannot be asked."""
    schemas: dict[str, SourceSchema] = {}
    found = []
    for name, mapping in config.mappings.items():
        if only and name not in only:
            continue
        if mapping.source not in schemas:
            schemas[mapping.source] = schema_of(config, mapping.source, source_relations(config, mapping.source))
        dialect = dialect_of(config.sources[mapping.source])
        found.append(check_mapping(name, mapping, schemas[mapping.source], dialect))
    return tuple(found)


def schema_of(config: Config, source: str, relations: Sequence[Relation]) -> SourceSchema:
    """What a source's mappings are compiled against. In MariaDB a bare name means the database that one is in."""
    schemas = {r.schema for r in relations[:1] if dialect_of(config.sources[source]) == "mariadb"}
    return SourceSchema.from_relations(relations, *schemas)


def source_relations(config: Config, source: str) -> tuple[Relation, ...]:
    """Every table that the source has and lets us see."""
    return relations_of(config.sources[source])


def check_mapping(
    name: str, mapping: MappingConfig, schema: SourceSchema, dialect: str = "postgres"
) -> MappingReport:
    """One mapping against one schema."""
    sql = mapping.sql.read_text(encoding="utf-8")
    try:
        compiled = compile_mapping(
            name=name, source=mapping.source, entity=mapping.entity, sql=sql, sql_path=str(mapping.sql), key=mapping.key,
            dialect=dialect, schema=schema, mirror_schema=mirror_schema(mapping.source),
            consent_every_root=mapping.consent_every_root,
        )  # fmt: skip
    except MappingError as error:
        return _report(name, mapping, None, tuple(error.problems))
    return _report(name, mapping, compiled, tuple(_mismatches(mapping, compiled, sql, schema)))


def _mismatches(
    mapping: MappingConfig, compiled: CompiledMapping, sql: str, schema: SourceSchema
) -> Iterator[Problem]:
    fields = ENTITIES[mapping.entity].model_fields
    outputs = [output.name for output in compiled.outputs if not _OURS.match(output.name)]
    for output in outputs:
        if output not in fields:
            yield Problem(
                f"output {output} is no field of {mapping.entity}",
                _line(mapping, sql, output),
                did_you_mean(output, fields),
            )
    for field, info in fields.items():
        if info.is_required() and field not in outputs:
            yield Problem(
                f"{mapping.entity} needs {field}, which the view does not yield",
                str(mapping.sql),
                f"add an output AS {field}",
            )
    read = {str(leaf.table) for leaf in compiled.leaves}
    for table in mapping.own_tables:
        if table not in read:
            yield Problem(
                f"own_tables: {table} is not read by the view", str(mapping.sql), did_you_mean(table, read)
            )
    root = schema.find(compiled.root.schema, compiled.root.table)
    step = mapping.step_column
    if step is not None and root is not None and root.column(step) is None:
        columns = [column.name for column in root.columns]
        yield Problem(
            f"step_column: {compiled.root} has no column {step}",
            str(mapping.sql),
            did_you_mean(step, columns),
        )


def _line(mapping: MappingConfig, sql: str, name: str) -> str:
    found = re.search(rf"\b{re.escape(name)}\b", sql, re.IGNORECASE)
    return f"{mapping.sql}:{sql.count(chr(10), 0, found.start()) + 1}" if found else str(mapping.sql)


def _report(
    name: str, mapping: MappingConfig, compiled: CompiledMapping | None, problems: tuple[Problem, ...]
) -> MappingReport:
    if compiled is None:
        return MappingReport(
            name, mapping.entity, mapping.source, str(mapping.sql), "", "", mapping.key, (), (), (), problems
        )
    return MappingReport(
        name, mapping.entity, mapping.source, str(mapping.sql), compiled.version, str(compiled.root),
        tuple(f"{key.output} = {key.column} {key.type_name}" for key in compiled.key),
        tuple(f"{table} ({', '.join(columns)})" for table, columns in compiled.read_columns),
        tuple(str(leaf.table) for leaf in compiled.leaves if leaf.every_root),
        tuple(f"{table} ({', '.join(columns)})" for table, columns in compiled.required_indexes),
        problems,
    )  # fmt: skip
