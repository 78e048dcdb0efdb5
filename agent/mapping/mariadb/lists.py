"""MariaDB's aggregates, its lists and JSON."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from agent.mapping.mariadb.rules import Rule, Rules
from agent.mapping.mariadb.values import Value, cast, fn


class Lists(Rules):
    """Aggregates; lists in an order that is written out."""

    def rules(self) -> Mapping[type[exp.Expr], Rule]:
        """Node type → rule."""
        return {
            exp.Count: self._count, exp.Sum: self._sum, exp.Min: self._extreme, exp.Max: self._extreme,
            exp.GroupConcat: self._group_concat, exp.JSONObject: self._json_object, exp.Anonymous: self._named,
        }  # fmt: skip

    def _count(self, node: exp.Count) -> Value:
        inner = node.this
        if isinstance(inner, exp.Distinct):
            if len(inner.expressions) != 1:
                raise self.values.error("COUNT(DISTINCT …) of several columns", "count one", node)
            item = self.values.groupable(self.evaluate(inner.expressions[0]), node)
            return Value(exp.Count(this=exp.Distinct(expressions=[item])), "int", wide=True)
        counted = inner if isinstance(inner, exp.Star) else self.evaluate(inner).node
        return Value(exp.Count(this=counted), "int", wide=True)

    def _sum(self, node: exp.Sum) -> Value:
        if isinstance(node.this, exp.Distinct):
            raise self.values.error("SUM(DISTINCT …) is not supported", "sum a derived table", node)
        value = self._number(node.this)
        return Value(cast(exp.Sum(this=value.node), "DECIMAL"), "dec", scale=value.scale)

    def _extreme(self, node: exp.AggFunc) -> Value:
        value = self.evaluate(node.this)
        if value.kind == "text":
            by = self.values.sortable(value, node)
            return value.with_node(fn("RTRIM", type(node)(this=by)) if value.char else type(node)(this=by))
        if value.kind not in ("int", "dec", "date", "datetime"):
            raise self.values.error(f"{node.key.upper()} of a {value.kind} is not supported", "add 0 to it", node)
        return value.with_node(type(node)(this=value.node))

    def order(self, node: exp.Order) -> list[exp.Expr]:
        """ORDER BY of a list; NULLs come first, or last when it descends."""
        found: list[exp.Expr] = []
        for item in node.expressions:
            if isinstance(item.this, exp.Literal):
                raise self.values.error("a number in ORDER BY means a column's place", "name the column", node)
            by, down = self.values.sortable(self.evaluate(item.this), item), bool(item.args.get("desc"))
            found.append(exp.Ordered(this=by, desc=down, nulls_first=not down))
        return found

    def _group_concat(self, node: exp.GroupConcat) -> Value:
        order: exp.Order = node.this
        if isinstance(order.this, exp.Distinct):
            raise self.values.error("GROUP_CONCAT(DISTINCT …) is not supported", "list a grouped derived table", node)
        value = self._text(order.this)
        listed = exp.Order(this=cast(value.node, "TEXT"), expressions=self.order(order))
        separator = node.args.get("separator") or exp.Literal.string(",")
        return Value(exp.GroupConcat(this=listed, separator=separator), "text", collation=value.collation)

    def _named(self, node: exp.Anonymous) -> Value:
        if node.name.upper() == "JSON_ARRAY":
            return Value(fn("JSON_BUILD_ARRAY", *(self._json(e) for e in node.expressions)), "json")
        order = node.expressions[0] if len(node.expressions) == 1 else None
        if not isinstance(order, exp.Order) or isinstance(order.this, exp.Distinct):
            raise self.values.error("this form of JSON_ARRAYAGG is not supported", "write JSON_ARRAYAGG(x ORDER BY y)", node)
        listed = exp.Order(this=self._json(order.this), expressions=self.order(order))
        return Value(exp.JSONArrayAgg(this=listed), "json")

    def _json_object(self, node: exp.JSONObject) -> Value:
        parts: list[exp.Expr] = []
        names: set[str] = set()
        for pair in node.expressions:
            name = pair.this.name if isinstance(pair, exp.JSONKeyValue) and isinstance(pair.this, exp.Literal) else ""
            if not name or name in names:
                raise self.values.error("JSON_OBJECT takes names, written out, each once", "write JSON_OBJECT('a', x)", node)
            names.add(name)
            parts += [exp.Literal.string(name), self._json(pair.expression)]
        return Value(fn("JSON_BUILD_OBJECT", *parts), "json")

    def _json(self, node: exp.Expr) -> exp.Expr:
        value = self.evaluate(node)
        if value.kind in ("bool", "int", "dec", "json", "null"):
            return value.node
        return cast(self.values.text(value, node).node, "TEXT")
