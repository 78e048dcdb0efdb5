"""Which nodes a mapping may use: the allow-list applied, with a reason for every refusal."""

from __future__ import annotations

from typing import NoReturn

from sqlglot import exp

from agent.mapping.allow import (
    AGGREGATES,
    DIALECTS,
    LIST_AGGREGATES,
    REASONS,
    UNSTABLE_FUNCTIONS,
    UNSTABLE_NODES,
    reason_unstable,
)
from agent.mapping.ir import Block
from agent.mapping.problems import Problems


class Checker:
    """The allow-list of one dialect."""

    def __init__(self, dialect: str, problems: Problems) -> None:
        self.problems = problems
        self.dialect = dialect
        self.allowed = DIALECTS[dialect]

    def refuse_statement(self, node: exp.Expr) -> NoReturn:
        """Refuse what stands where a SELECT is wanted."""
        for kind, (why, remedy) in REASONS.items():
            if isinstance(node, kind) or (kind is exp.Union and isinstance(node, exp.SetOperation)):
                self.problems.refuse(why, remedy, node)
        self.problems.refuse(f"{node.key.upper()} is not a SELECT", "write one SELECT", node)

    def node(self, node: exp.Expr) -> None:
        """Refuse the node unless it is on the list; its children are checked on their own."""
        kind = type(node)
        if isinstance(node, UNSTABLE_NODES) or (
            isinstance(node, exp.Anonymous) and node.name.lower() in UNSTABLE_FUNCTIONS
        ):
            why, remedy = reason_unstable()
            self.problems.refuse(f"{self._name(node)}: {why}", remedy, node, self._name(node))
        if kind in REASONS:
            why, remedy = REASONS[kind]
            self.problems.refuse(why, remedy, node)
        if isinstance(node, exp.Anonymous):
            self._function(node)
        elif kind not in self.allowed.nodes:
            name = self._name(node)
            self.problems.refuse(
                f"{name} is not supported in {self.dialect} mappings",
                "see the list of supported functions",
                node,
                name,
            )
        self._details(node)

    def aggregates(self, expression: exp.Expr) -> bool:
        """Whether the expression itself aggregates (its sub-queries aside)."""
        return any(self._is_aggregate(n) for n in expression.walk())

    def aggregates_are_local(self, block: Block) -> None:
        """An aggregate over an outer query's columns alone would belong to that query: refuse it."""
        own = {s.alias for s in block.sources()}
        for expression in block.slots():
            for node in expression.walk():
                tables = {c.table for c in node.find_all(exp.Column)} if self._is_aggregate(node) else set()
                if tables and not tables & own:
                    self.problems.refuse(
                        f"{self._name(node)} over columns of the outer query",
                        "aggregate the sub-query's own columns",
                        node,
                    )

    def _function(self, node: exp.Anonymous) -> None:
        name = node.name.lower()
        if name not in self.allowed.functions:
            self.problems.refuse(
                f"function {name}() is not supported in {self.dialect} mappings",
                "use a supported function, or compute it downstream", node, name,
            )  # fmt: skip
        if name in self.allowed.list_functions and not _ordered(node):
            self._refuse_unordered(node)

    def _details(self, node: exp.Expr) -> None:
        if isinstance(node, LIST_AGGREGATES) and not _ordered(node):
            self._refuse_unordered(node)
        if isinstance(node, exp.Order) and not self._is_aggregate(node.parent):
            self.problems.refuse("ORDER BY only stands inside a list aggregate", "leave it out", node)
        if isinstance(node, exp.DataType) and node.this.value not in self.allowed.types:
            self.problems.refuse(
                f"a cast to {node.sql(self.allowed.parser)} is not supported",
                "cast to a supported type",
                node,
                node.sql(self.allowed.parser),
            )
        if isinstance(node, exp.Extract) and node.this.name.upper() not in self.allowed.extract:
            self.problems.refuse(f"EXTRACT of {node.this.name} is not supported", "use another field", node)
        if isinstance(node, exp.TimeToStr | exp.StrToDate):
            self._format(node)

    def _format(self, node: exp.Expr) -> None:
        literals = list(exp.func("f", node.args["format"]).find_all(exp.Literal))
        text = node.sql(self.allowed.parser).rsplit("'", 2)[-2] if literals else ""
        if text not in self.allowed.formats:
            self.problems.refuse(
                f"the format {text!r} is not supported", "use ISO forms such as 'YYYY-MM-DD'", node
            )

    def _refuse_unordered(self, node: exp.Expr) -> NoReturn:
        self.problems.refuse(
            f"{self._name(node)} without ORDER BY: the order of the list would change by itself",
            "add ORDER BY inside the aggregate, by the lines' key", node, self._name(node),
        )  # fmt: skip

    def _is_aggregate(self, node: exp.Expr | None) -> bool:
        if isinstance(node, exp.Anonymous):
            return node.name.lower() in self.allowed.list_functions
        return isinstance(node, AGGREGATES)

    def _name(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Func) and "start" in node.meta:
            return self.problems.sql[node.meta["start"] : node.meta["end"] + 1].lower()
        if isinstance(node, exp.Anonymous):
            return node.name.lower()
        if isinstance(node, exp.Func):
            return node.sql(self.allowed.parser).split("(")[0].split(" ")[0].lower()
        return node.key.upper()


def _ordered(node: exp.Expr) -> bool:
    inner = [node.this] if isinstance(node.this, exp.Expr) else list(node.expressions)
    return any(isinstance(i, exp.Order) for i in inner)
