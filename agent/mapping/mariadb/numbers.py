"""MariaDB's arithmetic and its functions of numbers."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from agent.mapping.mariadb.rules import Rule, Rules
from agent.mapping.mariadb.values import MAX_SCALE, Value, cast, fn

_QUOTIENT = "write ROUND(x / y, 2), or CAST(x / y AS DECIMAL(15, 2))"


class Numbers(Rules):
    """Whole numbers in 64 bits, decimals with their digits."""

    def rules(self) -> Mapping[type[exp.Expr], Rule]:
        """Node type → rule."""
        return {
            exp.Add: self._arithmetic, exp.Sub: self._arithmetic, exp.Mul: self._arithmetic, exp.Mod: self._modulo,
            exp.IntDiv: self._integer_division, exp.Div: self._bare_quotient, exp.Avg: self._bare_quotient,
            exp.Neg: self._negative, exp.Abs: self._absolute, exp.Sign: self._sign, exp.Round: self._round,
            exp.Trunc: self._truncate, exp.Floor: self._floor, exp.Ceil: self._floor, exp.Greatest: self._greatest,
            exp.Least: self._greatest,
        }  # fmt: skip

    def _arithmetic(self, node: exp.Binary) -> Value:
        if isinstance(node.expression, exp.Interval):
            return self._moved(node, node.this, node.expression.this, node.expression.args["unit"], isinstance(node, exp.Sub))
        left, right = self._number(node.this), self._number(node.expression)
        if {left.kind, right.kind} <= {"int", "null"}:
            sides = [self.values.integer(v, node).node for v in (left, right)]
            return Value(type(node)(this=sides[0], expression=sides[1]), "int", wide=True)
        both = left.scale + right.scale
        scale = both if isinstance(node, exp.Mul) else max(left.scale, right.scale)
        if scale > MAX_SCALE:
            raise self.values.error(f"a product with {scale} digits after the point", "ROUND its factors", node)
        return Value(type(node)(this=left.node, expression=right.node), "dec", scale=scale)

    def _modulo(self, node: exp.Mod) -> Value:
        left, right = self._number(node.this), self._number(node.expression)
        if "dec" in (left.kind, right.kind):
            raise self.values.error("MOD of decimals can be -0, which PostgreSQL has not", "use whole numbers", node)
        divisor = fn("NULLIF", right.node, exp.Literal.number(0))
        result = exp.Mod(this=exp.Paren(this=cast(left.node, "BIGINT")), expression=divisor)
        return Value(exp.Paren(this=result), "int", wide=True)

    def _integer_division(self, node: exp.IntDiv) -> Value:
        left, right = self._number(node.this), self._number(node.expression)
        quotient = fn("DIV", cast(left.node, "DECIMAL"), fn("NULLIF", cast(right.node, "DECIMAL"), exp.Literal.number(0)))
        return Value(cast(quotient, "BIGINT"), "int", wide=True)

    def _bare_quotient(self, node: exp.Expr) -> Value:
        raise self.values.error("MariaDB keeps hidden digits of a quotient or an average", _QUOTIENT, node)

    def _negative(self, node: exp.Neg) -> Value:
        value = self.values.integer(self.evaluate(node.this), node)
        return value.with_node(exp.Neg(this=exp.Paren(this=value.node)))

    def _absolute(self, node: exp.Abs) -> Value:
        value = self.values.integer(self.evaluate(node.this), node)
        return value.with_node(fn("ABS", value.node))

    def _sign(self, node: exp.Sign) -> Value:
        return Value(cast(fn("SIGN", cast(self._number(node.this).node, "DECIMAL")), "INT"), "int")

    def _round(self, node: exp.Round) -> Value:
        if {k for k, v in node.args.items() if v} - {"this", "decimals"}:
            raise self.values.error("this form of ROUND is not supported", "write ROUND(x, digits)", node)
        digits = self._whole(node.args.get("decimals"), node, 0)
        quotient = self._quotient(node.this, digits)
        return quotient or self._cut(node, "ROUND", digits)

    def _truncate(self, node: exp.Trunc) -> Value:
        return self._cut(node, "TRUNC", self._whole(node.args.get("decimals"), node, 0))

    def _cut(self, node: exp.Expr, name: str, digits: int) -> Value:
        value = self._number(node.this)
        if value.kind != "dec":
            return value
        if digits > MAX_SCALE:
            raise self.values.error(f"more than {MAX_SCALE} digits after the point", "write fewer", node)
        return Value(fn(name, value.node, exp.Literal.number(digits)), "dec", scale=digits)

    def _floor(self, node: exp.Expr) -> Value:
        value = self._number(node.this)
        if value.kind != "dec":
            return value
        return Value(fn("FLOOR" if isinstance(node, exp.Floor) else "CEIL", value.node), "dec")

    def _greatest(self, node: exp.Func) -> Value:
        values = [self.evaluate(e) for e in [node.this, *node.expressions]]
        kind, scale, nodes = self.values.alike(values, node)
        if kind not in ("int", "dec", "date", "datetime"):
            raise self.values.error(f"{node.key.upper()} of a {kind} is not supported", "use CASE", node)
        missing = exp.or_(*(exp.Is(this=self.values.once(n, node), expression=exp.null()) for n in nodes))
        result = fn(node.key.upper(), *nodes)
        return Value(exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=result), kind, scale=scale)
