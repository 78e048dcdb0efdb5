"""The compiler's front door: one mapping's text in, everything derive needs out."""

from __future__ import annotations

import hashlib
from typing import NoReturn

from sqlglot import exp

from agent.errors import MappingError
from agent.mapping import lineage
from agent.mapping.affected import AffectedBuilder, Reach
from agent.mapping.allow import DIALECTS
from agent.mapping.emit import Emitter
from agent.mapping.evaluate import evaluate, view, whole
from agent.mapping.ir import Query, Source
from agent.mapping.mariadb import translate as mariadb
from agent.mapping.normalise import reduce_outer_joins
from agent.mapping.paths import leaves
from agent.mapping.problems import Problems
from agent.mapping.resolve import Resolver
from agent.mapping.schema import SourceSchema
from agent.mapping.typed import check_types
from agent.model.ids import MappingName, SourceName
from agent.model.mapping import CHANGED, KEYS, CompiledMapping, KeyColumn, Leaf

COMPILER_VERSION = "1"


def compile_mapping(
    *,
    name: str,
    source: str,
    entity: str,
    sql: str,
    sql_path: str,
    key: tuple[str, ...],
    dialect: str,
    schema: SourceSchema,
    mirror_schema: str,
    consent_every_root: bool,
) -> CompiledMapping:
    """Take a mapping apart, or refuse it with file, line, reason and remedy."""
    problems = Problems(sql, sql_path)
    _check_text(sql, dialect, problems)
    resolver = Resolver(schema, dialect, problems)
    query = resolver.resolve(sql)
    if dialect == "mariadb":
        mariadb.translate(query, problems)
    check_types(query, problems)
    reduce_outer_joins(query)
    root, columns = _Key(query, key, problems).find()
    emitter = Emitter(query, mirror_schema)
    evaluated = evaluate(query, root, columns, emitter)
    found = _leaves(query, root, columns, emitter, problems, consent_every_root)
    assert root.table is not None
    return CompiledMapping(
        name=MappingName(name),
        source=SourceName(source),
        entity=entity,
        version=_version(sql, dialect, schema, query),
        sql=sql,
        root=root.table.name,
        key=tuple(KeyColumn(o, c, root.table.column(c).type_name) for o, c in columns),  # type: ignore[union-attr]
        outputs=lineage.outputs(query),
        leaves=found,
        view_sql=view(sql, resolver.tables, mirror_schema) if dialect == "postgres" else _text(whole(query, mirror_schema)),
        evaluate_sql=_text(evaluated),
        read_columns=lineage.read_columns(query),
        required_indexes=tuple(
            sorted(
                ((t, columns) for (t, _), columns in emitter.lookups.items()), key=lambda i: (str(i[0]), i[1])
            )
        ),
    )


def _check_text(sql: str, dialect: str, problems: Problems) -> None:
    if dialect not in DIALECTS:
        problems.refuse(
            f"dialect {dialect} is not supported yet", f"supported: {', '.join(sorted(DIALECTS))}"
        )
    if dialect == "mariadb":
        mariadb.check_text(sql, problems)
    for placeholder in (CHANGED, KEYS):
        if placeholder in sql:
            problems.refuse(
                f"{placeholder} has a meaning of its own here", "write it in another way", text=placeholder
            )


def _leaves(
    query: Query,
    root: Source,
    key: list[tuple[str, str]],
    emitter: Emitter,
    problems: Problems,
    consent: bool,
) -> tuple[Leaf, ...]:
    builder = AffectedBuilder(query, root, key, emitter)
    found = []
    for number, path in enumerate(leaves(query)):
        leaf = path.leaf
        assert leaf.table is not None
        if not leaf.table.key:
            problems.refuse(
                f"table {leaf.table.name} has no primary key, so its changes cannot be told apart",
                "give it a primary key, or leave it out", leaf.node,
            )  # fmt: skip
        leaf_id = f"{number}:{leaf.alias}"
        if leaf is root:
            identity = tuple(key)
            found.append(Leaf(leaf_id, leaf.table.name, None, False, identity))
            continue
        reach = builder.reach(path)
        if reach.every_root and not consent:
            _refuse_every_root(problems, leaf)
        found.append(_leaf(leaf_id, leaf, reach))
    return tuple(found)


def _leaf(leaf_id: str, leaf: Source, reach: Reach) -> Leaf:
    assert leaf.table is not None
    return Leaf(leaf_id, leaf.table.name, _text(reach.sql), reach.every_root, reach.root_link)


def _refuse_every_root(problems: Problems, leaf: Source) -> NoReturn:
    assert leaf.table is not None
    problems.refuse(
        f"nothing links {leaf.table.name} ({leaf.alias}) to the root, so each change of it would touch every entity",
        "join it by a column, or set consent_every_root: true for this mapping", leaf.node,
    )  # fmt: skip


class _Key:
    """Finds the root: the source whose primary key the entity key is."""

    def __init__(self, query: Query, key: tuple[str, ...], problems: Problems) -> None:
        self.query, self.key, self.problems = query, key, problems
        self.block = query.root

    def find(self) -> tuple[Source, list[tuple[str, str]]]:
        """The root source and (output, column) pairs in the order of the configured key."""
        if not self.key:
            self.problems.refuse(
                "the mapping names no key", "set key: to the outputs that are the root's primary key"
            )
        pairs = [(name, self._column(name)) for name in self.key]
        aliases = {c.table for _, c in pairs}
        node = self.block.outputs[self.key[0]]
        if len(aliases) > 1:
            self._refuse("the entity key comes from more than one table", node)
        alias = aliases.pop()
        if self.block.left_of(alias) is not None:
            self._refuse("the entity key comes from an outer-joined table, so it could be missing", node)
        source = next(s for s in self.block.inner if s.alias == alias)
        if source.table is None:
            self._refuse("the entity key comes from a sub-query", node)
        assert source.table is not None
        columns = [(name, c.name) for name, c in pairs]
        wanted = source.table.key
        if sorted(c for _, c in columns) != sorted(wanted):
            self._refuse(
                f"the entity key ({', '.join(c for _, c in columns)}) is not the primary key of {source.table.name}"
                f" ({', '.join(wanted) or 'none'})",
                node,
            )
        self._check_group(columns, alias)
        return source, columns

    def _column(self, name: str) -> exp.Column:
        value = self.block.outputs.get(name)
        if value is None:
            self.problems.refuse(
                f"key output {name} is not an output of the view", "name outputs of the SELECT in key:"
            )
        while isinstance(value, exp.Paren):
            value = value.this
        if not isinstance(value, exp.Column):
            self._refuse(f"key output {name} is computed", value)
        return value

    def _check_group(self, columns: list[tuple[str, str]], alias: str) -> None:
        if not self.block.aggregated:
            return
        grouped = {(g.table, g.name) for g in self.block.group if isinstance(g, exp.Column)}
        if not all((alias, c) in grouped for _, c in columns):
            self._refuse("the outermost GROUP BY does not contain the whole key", self.block.node)

    def _refuse(self, what: str, node: exp.Expr) -> NoReturn:
        self.problems.refuse(
            what, "select exactly the root table's primary key columns, unchanged, as the key", node
        )


def _version(sql: str, dialect: str, schema: SourceSchema, query: Query) -> str:
    digest = hashlib.sha256(f"{COMPILER_VERSION}\0{dialect}\0{sql}".encode())
    tables = {
        s.table.name: s.table for b in query.blocks.values() for s in b.sources() if s.table is not None
    }
    for table in sorted(tables, key=str):
        for column in tables[table].columns:
            digest.update(
                f"\0{table}\0{column.name}\0{column.type_name}\0{column.key}\0{column.not_null}".encode()
            )
            if column.collation:
                digest.update(f"\0{column.collation}".encode())
    return digest.hexdigest()[:16]


def _text(node: exp.Expr) -> str:
    return node.sql("postgres", pretty=False)


__all__ = ["MappingError", "compile_mapping"]
