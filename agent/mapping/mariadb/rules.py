"""What the rules for MariaDB's functions have in common: their arguments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from sqlglot import exp

from agent.mapping.mariadb.compare import Comparisons
from agent.mapping.mariadb.values import MOMENTS, Value, cast, fn

Evaluate = Callable[[exp.Expr], Value]
Rule = Callable[..., Value]


class Rules(ABC):
    """Translates some kinds of node, their arguments by `evaluate`."""

    def __init__(self, values: Comparisons, evaluate: Evaluate) -> None:
        self.values, self.evaluate = values, evaluate

    @abstractmethod
    def rules(self) -> Mapping[type[exp.Expr], Rule]:
        """Node type → what makes a value of such a node."""

    def _number(self, node: exp.Expr) -> Value:
        return self.values.number(self.evaluate(node), node)

    def _text(self, node: exp.Expr) -> Value:
        return self.values.text(self.evaluate(node), node)

    def _moment(self, node: exp.Expr) -> Value:
        value = self.evaluate(node)
        if value.kind not in (*MOMENTS, "null"):
            raise self.values.error(f"a {value.kind} where a date is wanted", "use DATE and DATETIME columns", node)
        return value

    def _whole(self, node: exp.Expr | None, at: exp.Expr, default: int | None = None, least: int = 0) -> int:
        if node is None and default is not None:
            return default
        if not isinstance(node, exp.Literal) or not node.name.isdigit() or int(node.name) < least:
            raise self.values.error(f"here stands a whole number of at least {least}, written out", "write the number", at)
        return int(node.name)

    def _moved(self, node: exp.Expr, what: exp.Expr, count: exp.Expr, unit: exp.Expr | None, back: bool) -> Value:
        value, word = self._moment(what), (unit.name if unit is not None else "").upper()
        if word not in ("DAY", "MONTH", "YEAR", "WEEK") or not isinstance(count, exp.Literal) or not count.name.isdigit():
            raise self.values.error("an interval is a whole number of DAY, WEEK, MONTH or YEAR", "write INTERVAL 1 DAY", node)
        if value.kind == "null":
            return value
        span = cast(exp.Literal.string(f"{count.name} {word}"), "INTERVAL")
        operator = exp.Sub if back else exp.Add
        there: exp.Expr = exp.Paren(this=operator(this=cast(value.node, "TIMESTAMP"), expression=span))
        # Beyond what MariaDB can hold the result is NULL; of what it calls the year 0 the mirror has no dates.
        guard = exp.Between(
            this=self.values.once(there, node), low=cast(exp.Literal.string("0001-01-01"), "TIMESTAMP"),
            high=cast(exp.Literal.string("9999-12-31 23:59:59.999999"), "TIMESTAMP"),
        )  # fmt: skip
        there = cast(there, "DATE") if value.kind == "date" else there
        return Value(exp.Case(ifs=[exp.If(this=guard, true=there)]), value.kind)

    def _quotient(self, node: exp.Expr, digits: int) -> Value | None:
        """A division or average, rounded half away from zero at so many digits; exactly, by whole numbers."""
        inner = node
        while isinstance(inner, exp.Paren):
            inner = inner.this
        if isinstance(inner, exp.Avg):
            if isinstance(inner.this, exp.Distinct):
                raise self.values.error("AVG(DISTINCT …) is not supported", "leave DISTINCT out", inner)
            value = self._number(inner.this)
            left: exp.Expr = exp.Sum(this=value.node)
            right: exp.Expr = exp.Count(this=value.node.copy())
        elif isinstance(inner, exp.Div):
            left, right = self._number(inner.this).node, self._number(inner.expression).node
        else:
            return None
        if digits > 8:
            raise self.values.error("a quotient with more than 8 digits after the point", "round it to 8 or less", node)
        shift = exp.Literal.number("1" + "0" * (digits + 1))
        back = exp.Literal.number("0." + "0" * digits + "1")
        shifted = exp.Mul(this=cast(left, "DECIMAL"), expression=shift)
        cut = fn("DIV", shifted, fn("NULLIF", cast(right, "DECIMAL"), exp.Literal.number(0)))
        return Value(fn("ROUND", exp.Mul(this=cut, expression=back), exp.Literal.number(digits)), "dec", scale=digits)
