"""SQL text → blocks: every name resolved against the captured schema, CTEs inlined, aliases made unique."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from agent.errors import MappingError
from agent.mapping.check import Checker
from agent.mapping.ir import Block, LeftJoin, Query, Source, column, conjuncts
from agent.mapping.problems import Problems
from agent.mapping.schema import SourceSchema, nearest

_SELECT_ARGS = {"expressions", "from_", "joins", "where", "group", "having", "with_", "kind"}
_CLAUSES = {
    "limit": ("LIMIT", "an entity would come and go with rows that are not its own"),
    "offset": ("OFFSET", "an entity would come and go with rows that are not its own"),
    "order": ("ORDER BY", "entities have no order; only lists inside one have"),
    "distinct": ("DISTINCT", "it is not supported yet"),
    "windows": ("WINDOW", "a window ranks or sums over rows of other entities"),
    "qualify": ("QUALIFY", "a window ranks over rows of other entities"),
    "locks": ("FOR UPDATE", "a mapping only reads"),
    "into": ("INTO", "a mapping only reads"),
}


@dataclass
class _Scope:
    """Names visible in a block: its own sources by written name, then its parents'; CTE names by definition."""

    block: Block
    parent: _Scope | None
    names: dict[str, Source] = field(default_factory=dict)
    ctes: dict[str, tuple[exp.Expr, list[str], _Scope | None]] = field(default_factory=dict)

    def cte(self, name: str) -> tuple[exp.Expr, list[str], _Scope | None] | None:
        if name in self.ctes:
            return self.ctes[name]
        return self.parent.cte(name) if self.parent else None


class Resolver:
    """Turns one mapping's text into a Query, refusing what it cannot resolve or what is not allowed."""

    def __init__(self, schema: SourceSchema, dialect: str, problems: Problems) -> None:
        self.schema = schema
        self.dialect = dialect
        self.problems = problems
        self.checker = Checker(dialect, problems)
        self.parser = self.checker.allowed.parser
        self.blocks: dict[str, Block] = {}
        self.aliases: set[str] = set()
        self.tables: list[tuple[Source, exp.Table]] = []
        self.unused: dict[int, exp.CTE] = {}

    def resolve(self, sql: str) -> Query:
        """The whole text."""
        try:
            statements = sqlglot.parse(sql, read=self.parser)
        except SqlglotError as error:
            detail = error.errors[0] if getattr(error, "errors", None) else {}  # type: ignore[attr-defined]
            line = f":{detail['line']}" if detail.get("line") else ""
            raise _parse_error(self.problems.path + line, str(detail.get("description") or error)) from None
        found = [s for s in statements if s is not None]
        if len(found) != 1:
            self.problems.refuse(
                "a mapping file holds exactly one SELECT", "split it into one file per entity"
            )
        root = self._block(found[0], "root", None, None)
        for cte in self.unused.values():
            self.problems.refuse(f"WITH {cte.alias} is never used", "remove it", cte)
        return Query(root, self.blocks)

    # ------------------------------------------------------------------------------------------------ blocks

    def _block(
        self,
        node: exp.Expr,
        kind: str,
        parent: Block | None,
        outer: _Scope | None,
        rename: list[str] | None = None,
    ) -> Block:
        while isinstance(node, exp.Subquery) and node.alias == "":
            node = node.this
        if not isinstance(node, exp.Select):
            self.checker.refuse_statement(node)
        self._check_clauses(node)
        block = Block(f"q{len(self.blocks)}", kind, parent, node)  # type: ignore[arg-type]
        self.blocks[block.name] = block
        scope = _Scope(block, outer)
        self._ctes(node, scope)
        self._from(node, scope)
        if node.args.get("where"):
            block.where += conjuncts(self._expr(node.args["where"].this, scope, True))
        self._outputs(node, scope, rename)
        if node.args.get("group"):
            block.group = self._group(node.args["group"], scope)
        if node.args.get("having"):
            block.having = conjuncts(self._expr(node.args["having"].this, scope, True))
        exprs = [*block.outputs.values(), *block.having]
        block.aggregated = (
            bool(block.group) or bool(block.having) or any(self.checker.aggregates(e) for e in exprs)
        )
        self.checker.aggregates_are_local(block)
        return block

    def _check_clauses(self, node: exp.Select) -> None:
        for name, value in node.args.items():
            if value and name not in _SELECT_ARGS:
                word, why = _CLAUSES.get(name, (name.upper().strip("_"), "it is not supported"))
                place = value if isinstance(value, exp.Expr) else node
                self.problems.refuse(f"{word}: {why}", f"leave {word} out", place, word.split()[0])

    def _ctes(self, node: exp.Select, scope: _Scope) -> None:
        clause = node.args.get("with_")
        if clause is None:
            return
        if clause.args.get("recursive"):
            self.problems.refuse(
                "a recursive CTE cannot be kept up to date",
                "join the table to itself as many times as needed",
                clause,
            )
        visible: dict[str, tuple[exp.Expr, list[str], _Scope | None]] = {}
        for cte in clause.expressions:
            env = _Scope(scope.block, scope.parent, ctes=dict(visible))
            columns = [self._name(c) for c in (cte.args["alias"].args.get("columns") or [])]
            visible[self._name(cte.args["alias"].this)] = (cte.this, columns, env)
            self.unused[id(cte.this)] = cte
        scope.ctes = visible

    def _group(self, node: exp.Expr, scope: _Scope) -> list[exp.Expr]:
        extras = [k for k, v in node.args.items() if v and k != "expressions"]
        odd = [
            e
            for e in node.expressions
            if isinstance(e, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Literal)
        ]
        if extras or odd:
            word = extras[0].upper() if extras else type(odd[0]).__name__.upper()
            self.problems.refuse(f"GROUP BY {word} is not supported", "group by plain columns", node, "group")
        return [self._expr(e, scope, False) for e in node.expressions]

    def _outputs(self, node: exp.Select, scope: _Scope, rename: list[str] | None) -> None:
        block = scope.block
        must_be_named = block.kind in ("root", "derived")
        for number, item in enumerate(node.expressions):
            if item.is_star:
                if isinstance(item.unalias(), exp.Star | exp.Column) and block.kind == "exists":
                    continue
                self.problems.refuse(
                    "SELECT * changes its meaning when the table does", "name the columns", item, "select"
                )
            name = self._output_name(item)
            if rename and number < len(rename):
                name = rename[number]
            if not name and must_be_named:
                self.problems.refuse(
                    f"output {number + 1} has no name ({item.sql(self.parser)})", "add AS <name>", item
                )
            name = name or f"_{number + 1}"
            if name in block.outputs and must_be_named:
                self.problems.refuse(f"two outputs are called {name}", "give each its own name", item)
            if name in block.outputs:
                name = f"_{number + 1}"
            block.outputs[name] = self._expr(item.unalias(), scope, False)

    def _output_name(self, item: exp.Expr) -> str:
        if isinstance(item, exp.Alias):
            return self._name(item.args["alias"])
        return self._name(item.this) if isinstance(item, exp.Column) else ""

    # ------------------------------------------------------------------------------------------------ sources

    def _from(self, node: exp.Select, scope: _Scope) -> None:
        clause = node.args.get("from_")
        if clause is None:
            if scope.block.kind in ("root", "derived"):
                self.problems.refuse("a SELECT without FROM", "name the table", node)
            return
        scope.block.inner.append(self._source(clause.this, scope))
        for join in node.args.get("joins") or []:
            self._join(join, scope)

    def _join(self, join: exp.Join, scope: _Scope) -> None:
        side, kind, method = join.side, join.kind, join.method
        if method or join.args.get("using"):
            self.problems.refuse(
                f"{method or 'USING'} joins depend on which columns happen to exist",
                "write ON a.x = b.x",
                join,
                method or "using",
            )
        if side not in ("", "LEFT") or kind not in ("", "INNER", "CROSS", "OUTER"):
            word = f"{side} {kind}".strip()
            self.problems.refuse(
                f"{word} JOIN: rows without a root row are no entity",
                "use LEFT JOIN from the root table",
                join,
                side or kind,
            )
        source = self._source(join.this, scope)
        terms = conjuncts(self._expr(join.args["on"], scope, True)) if join.args.get("on") else []
        if side == "LEFT":
            scope.block.left.append(LeftJoin(source, terms))
        else:
            scope.block.inner.append(source)
            scope.block.where += terms

    def _source(self, node: exp.Expr, scope: _Scope) -> Source:
        written, source = (
            self._table(node, scope) if isinstance(node, exp.Table) else self._derived(node, scope)
        )
        if written in scope.names:
            self.problems.refuse(f"two FROM items are called {written}", "give each an alias", node)
        scope.names[written] = source
        return source

    def _table(self, node: exp.Table, scope: _Scope) -> tuple[str, Source]:
        if not isinstance(node.this, exp.Identifier):
            self.problems.refuse(
                f"{node.this.sql(self.parser)} in FROM is not a captured table",
                "join captured tables only",
                node,
            )
        odd = [k for k, v in node.args.items() if v and k not in ("this", "db", "alias")]
        alias = node.args.get("alias")
        if odd or (alias is not None and alias.args.get("columns")):
            word = odd[0].upper() if odd else "an alias with column names"
            self.problems.refuse(f"{word} on a table is not supported", "name the plain table", node)
        name, schema = self._name(node.this), self._name(node.args.get("db")) or None
        written = self._name(alias.this) if alias is not None else name
        cte = scope.cte(name) if schema is None else None
        if cte is not None:
            body, columns, env = cte
            self.unused.pop(id(body), None)
            block = self._block(body.copy(), "derived", scope.block, env, columns)
            return written, Source(self._unique(written), block=block, node=node)
        table = self.schema.find(schema, name)
        if table is None:
            near = self.schema.nearest_table(schema, name)
            self.problems.refuse(
                f"table {f'{schema}.' if schema else ''}{name} is not captured",
                f"did you mean {near}?" if near else "add it to the publication, or correct the name",
                node,
            )
        source = Source(self._unique(written), table=table, node=node)
        self.tables.append((source, node))
        return written, source

    def _derived(self, node: exp.Expr, scope: _Scope) -> tuple[str, Source]:
        if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Query):
            word = "LATERAL" if isinstance(node, exp.Lateral) else "a parenthesised join"
            if isinstance(node, exp.Values):
                word = "VALUES"
            self.problems.refuse(
                f"{word} in FROM is not supported", "join tables and sub-queries one by one", node, word
            )
        alias = node.args.get("alias")
        if alias is None:
            self.problems.refuse("a sub-query in FROM needs a name", "add an alias", node)
        columns = [self._name(c) for c in alias.args.get("columns") or []]
        block = self._block(node.this, "derived", scope.block, _derived_scope(scope), columns)
        written = self._name(alias.this)
        return written, Source(self._unique(written), block=block, node=node)

    def _unique(self, written: str) -> str:
        alias, number = written, 1
        while alias in self.aliases or alias.startswith("_"):
            number += 1
            alias = f"{written.lstrip('_')}_{number}"
        self.aliases.add(alias)
        return alias

    # ------------------------------------------------------------------------------------------------ expressions

    def _expr(self, node: exp.Expr, scope: _Scope, two_valued: bool) -> exp.Expr:
        """A copy with columns resolved and sub-queries taken out. two_valued: UNKNOWN is as good as false here."""
        if isinstance(node, exp.Column):
            return self._column(node, scope)
        if isinstance(node, exp.Subquery):
            return self._scalar(node, scope)
        if isinstance(node, exp.Exists):
            return self._placeholder(self._block(node.this, "exists", scope.block, scope))
        if isinstance(node, exp.In) and node.args.get("query") is not None:
            return self._in(node, scope, two_valued)
        self.checker.node(node)
        result = node.copy()
        for name, value in node.args.items():
            if isinstance(value, exp.Expr):
                result.set(name, self._expr(value, scope, _inherits(node, name, two_valued)))
            elif isinstance(value, list):
                inherits = _inherits(node, name, two_valued)
                result.set(
                    name, [self._expr(v, scope, inherits) if isinstance(v, exp.Expr) else v for v in value]
                )
        return result

    def _scalar(self, node: exp.Subquery, scope: _Scope) -> exp.Expr:
        block = self._block(node, "scalar", scope.block, scope)
        if len(block.outputs) != 1:
            self.problems.refuse(
                "a sub-query used as a value must have one column", "select one column", node
            )
        return self._placeholder(block)

    def _in(self, node: exp.In, scope: _Scope, two_valued: bool) -> exp.Expr:
        left = node.this
        while isinstance(left, exp.Paren):
            left = left.this
        sides = left.expressions if isinstance(left, exp.Tuple) else [left]
        block = self._block(node.args["query"], "in", scope.block, scope)
        block.in_left = [self._expr(side, scope, False) for side in sides]
        block.two_valued = two_valued
        if len(block.outputs) != len(block.in_left):
            self.problems.refuse(
                "IN compares a different number of columns", "select as many as stand left of IN", node
            )
        return self._placeholder(block)

    @staticmethod
    def _placeholder(block: Block) -> exp.Placeholder:
        return exp.Placeholder(this=block.name)

    def _column(self, node: exp.Column, scope: _Scope) -> exp.Expr:
        if node.args.get("db") or isinstance(node.this, exp.Star):
            self.problems.refuse(
                f"{node.sql(self.parser)}: columns are named alias.column", "give the table an alias", node
            )
        name, qualifier = self._name(node.this), self._name(node.args.get("table"))
        if not qualifier and self.dialect == "mariadb":
            self.problems.refuse(
                f"{name} could be a column or an output, by rules of MariaDB's own", "put the table's alias before it", node
            )
        level: _Scope | None = scope
        seen: list[str] = []
        while level is not None:
            matches = [
                s for w, s in level.names.items() if (not qualifier or w == qualifier) and name in s.columns()
            ]
            if len(matches) > 1:
                self.problems.refuse(f"column {name} is ambiguous", "put the alias before it", node)
            if matches:
                resolved = column(matches[0].alias, name)
                resolved.meta.update(node.this.meta)
                return resolved
            if qualifier and qualifier in level.names:
                self._unknown_column(node, list(level.names[qualifier].columns()), qualifier)
            seen += [c for s in level.names.values() for c in s.columns()] + list(level.names)
            level = level.parent
        self._unknown_column(node, seen, qualifier)
        raise AssertionError

    def _unknown_column(self, node: exp.Column, candidates: list[str], qualifier: str) -> None:
        name = self._name(node.this)
        near = nearest(name, candidates)
        hint = f"did you mean {f'{qualifier}.' if qualifier else ''}{near}?" if near else "correct the name"
        self.problems.refuse(
            f"column {f'{qualifier}.' if qualifier else ''}{name} does not exist here", hint, node
        )

    def _name(self, identifier: exp.Expr | None) -> str:
        """An identifier as the catalogue has it: PostgreSQL folds what is not quoted to lower case; of MariaDB's, the exact
        spelling is asked for."""
        if identifier is None:
            return ""
        text: str = identifier.name
        return text if identifier.args.get("quoted") or self.dialect == "mariadb" else text.lower()


def _derived_scope(scope: _Scope) -> _Scope:
    """What a sub-query in FROM sees: the CTEs of its block and all outer blocks, not its siblings."""
    return _Scope(scope.block, scope.parent, ctes=scope.ctes)


def _inherits(node: exp.Expr, argument: str, two_valued: bool) -> bool:
    if isinstance(node, exp.And | exp.Or | exp.Paren):
        return two_valued
    if isinstance(node, exp.If):
        # WHEN takes UNKNOWN as false; in `CASE x WHEN …` the branch is a value that is compared.
        parent = node.parent
        return argument == "this" and isinstance(parent, exp.Case) and parent.this is None
    return isinstance(node, exp.Where)


def _parse_error(where: str, description: str) -> MappingError:
    return MappingError(f"this is not SQL we can read: {description}", where=where, remedy="correct the text")
