"""A mapping in MariaDB's SQL → the same in PostgreSQL's, on the compiler's blocks: after names are resolved, before all else.

Conditions and values are told apart by what they are used for, as MariaDB does it: a number is a condition, and a condition
a number.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from agent.mapping.ir import Block, Query
from agent.mapping.mariadb.casts import Casts
from agent.mapping.mariadb.compare import Comparisons
from agent.mapping.mariadb.lists import Lists
from agent.mapping.mariadb.numbers import Numbers
from agent.mapping.mariadb.texts import Texts
from agent.mapping.mariadb.values import Value
from agent.mapping.problems import Problems

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ)
_PREDICATES = (*_COMPARISONS, exp.Is, exp.In, exp.Like, exp.Between)


def check_text(sql: str, problems: Problems) -> None:
    """Refuse what the parser reads in another way than the server, or the server in two ways depending on sql_mode."""
    hidden = re.search(r"/\*M?!", sql)
    if hidden:
        problems.refuse("a comment that the server executes", "leave it out", text=None)
    try:
        tokens = sqlglot.tokenize(sql, read="mysql")
    except SqlglotError:
        return  # the parser says it better
    for token in tokens:
        written = sql[token.start : token.end + 1]
        if token.token_type == sqlglot.TokenType.DPIPE:
            problems.refuse("|| joins texts or is OR, depending on sql_mode", "write CONCAT or OR", text=None)
        if token.token_type == sqlglot.TokenType.NOT and written == "!":
            problems.refuse("! is not supported", "write NOT", text=None)
        if token.token_type == sqlglot.TokenType.STRING and (written.startswith('"') or "\\" in written):
            problems.refuse(
                f"the text {written} is read in different ways, depending on sql_mode",
                "write texts in single quotes, without backslashes", text=None,
            )  # fmt: skip


def translate(query: Query, problems: Problems) -> None:
    """Rewrite every expression of the query in place."""
    _Translator(query, problems).run()


class _Translator:
    def __init__(self, query: Query, problems: Problems) -> None:
        self.query = query
        self.values = Comparisons(problems)
        kinds = [kind(self.values, self.value) for kind in (Numbers, Texts, Casts, Lists)]
        self.rules = {node: rule for kind in kinds for node, rule in kind.rules().items()}
        self.outputs: dict[str, dict[str, Value]] = {}

    def run(self) -> None:
        """All blocks; one that is read before its turn comes early."""
        for block in list(self.query.blocks.values()):
            self._block(block)

    def _block(self, block: Block) -> dict[str, Value]:
        if block.name in self.outputs:
            return self.outputs[block.name]
        found = self.outputs[block.name] = {}
        block.where = [self.truth(t) for t in block.where]
        own = {s.alias for s in block.sources()}
        for join in block.left:
            for term in join.on:
                if self.query.reads(term) - own:
                    # Seen in 10.11: such a condition is left out of the join.
                    raise self.values.error(
                        "an outer query's column in the ON of a LEFT JOIN: MariaDB does not heed it",
                        "put the condition into the WHERE, or into a CASE around the value", term,
                    )  # fmt: skip
            join.on = [self.truth(t) for t in join.on]
        if block.kind != "exists":
            for name, node in block.outputs.items():
                found[name] = self._output(block, self.value(node), node)
        block.group = [self.values.groupable(self.value(g), g) for g in block.group]
        block.having = [self.truth(h) for h in block.having]
        if block.kind == "in":
            self._in_sides(block, found)
        block.outputs = {n: found[n].node if n in found else exp.Literal.number(1) for n in block.outputs}
        return found

    def _output(self, block: Block, value: Value, node: exp.Expr) -> Value:
        if value.kind == "bool" and block.kind != "scalar":
            # Whether JSON would print 1 or true depends on whether the server merges the sub-query.
            return Value(self.values.number(value, node).node, "bit" if block.kind == "derived" else "int")
        if value.kind == "json" and block.kind == "derived":
            return Value(value.node, "document")
        return value

    def _in_sides(self, block: Block, found: dict[str, Value]) -> None:
        for number, name in enumerate(found):
            at = block.in_left[number]
            side = self.value(at)
            if not found[name].stored or (side.stored != found[name].stored and side.kind != "text"):
                # Seen: NOT IN is true, and not NULL, for a value that does not fit the type of what is listed.
                raise self.values.error(
                    "IN (SELECT …) of other than two columns of one type: MariaDB's answer depends on its plan",
                    "write EXISTS (SELECT 1 … WHERE y = x)", at,
                )  # fmt: skip
            left, right = self.values.comparable(side, found[name], at)
            block.in_left[number] = left
            found[name] = found[name].with_node(right)

    # ------------------------------------------------------------------------------------------------ conditions

    def truth(self, node: exp.Expr) -> exp.Expr:
        """The expression where a condition is wanted."""
        if isinstance(node, exp.Boolean):
            return node.copy()
        return self.values.truth(self.value(node), node)

    def value(self, node: exp.Expr) -> Value:
        """The expression as a value of its kind."""
        if isinstance(node, exp.Paren):
            inner = self.value(node.this)
            return inner if isinstance(inner.node, exp.Literal) else inner.with_node(exp.Paren(this=inner.node))
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Placeholder):
            return self._sub_query(node)
        if isinstance(node, exp.Literal):
            return self.values.literal(node)
        if isinstance(node, exp.Null):
            return Value(exp.null(), "null")
        if isinstance(node, exp.Boolean):
            return Value(node.copy(), "bool")
        if isinstance(node, exp.And | exp.Or):
            sides = self.truth(node.this), self.truth(node.expression)
            return Value(type(node)(this=sides[0], expression=sides[1]), "bool")
        if isinstance(node, exp.Not):
            return Value(exp.Not(this=exp.Paren(this=self.truth(node.this))), "bool")
        if isinstance(node, _PREDICATES):
            return Value(self._predicate(node), "bool")
        if isinstance(node, exp.Coalesce | exp.If | exp.Case | exp.Nullif):
            return self._choice(node)
        rule = self.rules.get(type(node))
        if rule is None:
            raise self.values.error(f"{node.key.upper()} is not supported in mariadb mappings", "leave it out", node)
        return rule(node)

    def _column(self, node: exp.Column) -> Value:
        _, source = self.query.source_of(node.table)
        if source.table is not None:
            column = source.table.column(node.name)
            assert column is not None
            return self.values.column(node.copy(), column)
        assert source.block is not None
        return self._block(source.block)[node.name].with_node(node.copy())

    def _sub_query(self, node: exp.Placeholder) -> Value:
        block = self.query.blocks[node.name]
        found = self._block(block)
        if block.kind != "scalar":
            return Value(node.copy(), "bool")
        value = next(iter(found.values()))
        return Value(
            node.copy(), value.kind, scale=value.scale, collation=value.collation, tight=value.tight, char=value.char,
        )  # fmt: skip

    def _operand(self, node: exp.Expr) -> Value:
        if isinstance(node, (*_PREDICATES, exp.Not, exp.And, exp.Or)):
            raise self.values.error("a comparison of a comparison: MariaDB groups it in its own way", "write parentheses", node)
        return self.value(node)

    def _predicate(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Is):
            return self._is(node)
        if isinstance(node, exp.In):
            return self._in(node)
        left = self._operand(node.this)
        if isinstance(node, exp.Between):
            bounds = [(exp.GTE, self._operand(node.args["low"])), (exp.LTE, self._operand(node.args["high"]))]
            terms = []
            for number, (kind, bound) in enumerate(bounds):
                one, other = self.values.ordered(left, bound, node)
                terms.append(kind(this=self.values.once(one, node) if number else one, expression=other))
            return exp.Paren(this=exp.And(this=terms[0], expression=terms[1]))
        right = self._operand(node.expression)
        if isinstance(node, exp.Like):
            return self._like(node, left, right)
        equal = isinstance(node, exp.EQ | exp.NEQ | exp.NullSafeEQ)
        sides = (self.values.comparable if equal else self.values.ordered)(left, right, node)
        return type(node)(this=sides[0], expression=sides[1])

    def _is(self, node: exp.Is) -> exp.Expr:
        inner = self._operand(node.this)
        tested = inner.node if isinstance(node.expression, exp.Null) else self.values.truth(inner, node)
        return exp.Is(this=tested, expression=node.expression.copy())

    def _in(self, node: exp.In) -> exp.Expr:
        left = self._operand(node.this)
        if not node.expressions:
            raise self.values.error("this form of IN is not supported", "write IN (1, 2)", node)
        pairs = [self.values.comparable(left, self._operand(e), node) for e in node.expressions]
        return exp.In(this=pairs[0][0], expressions=[other for _, other in pairs])

    def _like(self, node: exp.Like, left: Value, right: Value) -> exp.Expr:
        if not isinstance(right.node, exp.Literal) or left.kind != "text" or right.kind != "text":
            raise self.values.error("LIKE compares a text with a pattern that is written out", "write x LIKE 'A%'", node)
        self.values.exact_text(left, node, "LIKE ignores case and more")
        like: exp.Expr = exp.Like(this=left.node, expression=right.node)
        return exp.Not(this=exp.Paren(this=like)) if node.args.get("negate") else like

    # ------------------------------------------------------------------------------------------------ choices

    def _choice(self, node: exp.Expr) -> Value:
        if isinstance(node, exp.Nullif):
            return self._nullif(node)
        if isinstance(node, exp.Coalesce):
            parts = [self.value(e) for e in [node.this, *node.expressions]]
            kind, scale, nodes = self.values.alike(parts, node)
            made: exp.Expr = exp.Coalesce(this=nodes[0], expressions=nodes[1:])
            return self.values.merged(parts, node, made, kind, scale)
        branches = [(node.this, node.args["true"])] if isinstance(node, exp.If) else []
        if isinstance(node, exp.Case):
            branches = [(i.this, i.args["true"]) for i in node.args["ifs"]]
        default = node.args.get("false") if isinstance(node, exp.If) else node.args.get("default")
        conditions = [self._when(node, condition) for condition, _ in branches]
        parts = [self.value(e) for _, e in branches]
        parts.append(self.value(default) if default is not None else Value(exp.null(), "null"))
        kind, scale, nodes = self.values.alike(parts, node)
        ifs = [exp.If(this=c, true=n) for c, n in zip(conditions, nodes, strict=False)]
        return self.values.merged(parts, node, exp.Case(ifs=ifs, default=nodes[-1]), kind, scale)

    def _when(self, node: exp.Expr, condition: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Case) and node.this is not None:
            left, right = self.values.comparable(self.value(node.this), self.value(condition), node)
            return exp.EQ(this=self.values.once(left, node), expression=right)
        return self.truth(condition)

    def _nullif(self, node: exp.Nullif) -> Value:
        value, other = self.value(node.this), self.value(node.expression)
        if value.kind == "bool":
            value = self.values.number(value, node)
        left, right = self.values.comparable(value, other, node)
        same = exp.EQ(this=left, expression=right)
        result = self.values.once(value.node, node)
        return value.with_node(exp.Case(ifs=[exp.If(this=same, true=exp.null())], default=result))


