"""MariaDB's dates, and its casts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from agent.mapping.mariadb.rules import Rule, Rules
from agent.mapping.mariadb.values import Value, cast, fn

# By the form that the parser makes of MariaDB's letters.
FORMATS = {
    "%Y-%m-%d": "YYYY-MM-DD", "%Y%m%d": "YYYYMMDD", "%Y-%m": "YYYY-MM", "%Y%m": "YYYYMM", "%Y": "YYYY", "%m": "MM",
    "%d": "DD", "%d.%m.%Y": "DD.MM.YYYY", "%H:%M:%S": "HH24:MI:SS", "%Y-%m-%d %H:%M:%S": "YYYY-MM-DD HH24:MI:SS",
}  # fmt: skip


class Casts(Rules):
    """Dates between the years 1 and 9999; casts that are not guesses."""

    def rules(self) -> Mapping[type[exp.Expr], Rule]:
        """Node type → rule."""
        return {
            exp.TsOrDsToDate: self._date, exp.Year: self._field, exp.Month: self._field, exp.Day: self._field,
            exp.DayOfMonth: self._field, exp.TimeToStr: self._format, exp.DateAdd: self._date_add, exp.DateSub: self._date_add,
            exp.Cast: self._cast,
        }  # fmt: skip

    def _date(self, node: exp.TsOrDsToDate) -> Value:
        return Value(cast(self._moment(node.this).node, "DATE"), "date")

    def _field(self, node: exp.Func) -> Value:
        inner = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
        name = "DAY" if isinstance(node, exp.DayOfMonth) else node.key.upper()
        value = cast(self._moment(inner).node, "TIMESTAMP")
        return Value(cast(exp.Extract(this=exp.var(name), expression=value), "INT"), "int")

    def _format(self, node: exp.TimeToStr) -> Value:
        inner = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
        form = node.args["format"]
        wanted = FORMATS.get(form.name) if isinstance(form, exp.Literal) else None
        if wanted is None:
            raise self.values.error("this format is not supported", "use ISO forms such as '%Y-%m-%d'", node)
        moment = cast(self._moment(inner).node, "TIMESTAMP")
        return Value(fn("TO_CHAR", moment, exp.Literal.string(wanted)), "text", collation="?", tight=True)

    def _date_add(self, node: exp.Func) -> Value:
        return self._moved(node, node.this, node.expression, node.args.get("unit"), isinstance(node, exp.DateSub))

    def _cast(self, node: exp.Cast) -> Value:
        to: exp.DataType = node.args["to"]
        name, sizes = to.this.value, [int(p.name) for p in to.expressions]
        if name == "DECIMAL":
            return self._decimal(node, *(sizes or [10]))
        if name in ("BIGINT", "INT"):
            value = self._number(node.this)
            whole = fn("ROUND", value.node) if value.kind == "dec" else value.node
            return Value(cast(whole, "BIGINT"), "int", wide=True)
        if name == "CHAR" and not sizes:
            value = self._text(node.this)
            same = self.evaluate(node.this).kind == "text"
            return value if same else Value(value.node, "text", collation="?", tight=True)
        if name == "DATE":
            return self._as_date(node)
        if name == "BINARY":
            return self._binary(node)
        raise self.values.error(
            f"a cast to {to.sql('mysql')} is not supported", "cast to CHAR, SIGNED, DECIMAL(p, s) or DATE", node
        )

    def _decimal(self, node: exp.Cast, precision: int, scale: int = 0) -> Value:
        rounded = self._quotient(node.this, scale) if scale <= 8 or isinstance(node.this, exp.Div | exp.Avg) else None
        if rounded is None:
            value = self._number(node.this)
            rounded = Value(fn("ROUND", cast(value.node, "DECIMAL"), exp.Literal.number(scale)), "dec", scale=scale)
        most = "9" * (precision - scale) + ("." + "9" * scale if scale else "")
        most = most if not most.startswith(".") else "0" + most
        top, bottom = exp.Literal.number(most), exp.Neg(this=exp.Literal.number(most))
        # What does not fit becomes the greatest that does.
        ifs = [
            exp.If(this=exp.GT(this=self.values.once(rounded.node, node), expression=top), true=top.copy()),
            exp.If(this=exp.LT(this=rounded.node.copy(), expression=bottom), true=bottom.copy()),
        ]
        return Value(exp.Case(ifs=ifs, default=rounded.node), "dec", scale=scale)

    def _as_date(self, node: exp.Cast) -> Value:
        value = self.evaluate(node.this)
        if value.kind == "text":
            written = self.values.comparable(value, Value(exp.null(), "date"), node)[0]
            return Value(cast(written, "DATE"), "date")
        return Value(cast(self._moment(node.this).node, "DATE"), "date")

    def _binary(self, node: exp.Cast) -> Value:
        value = self.evaluate(node.this)
        if value.kind != "text" or not (value.collation.startswith("utf8") or not value.collation):
            raise self.values.error("BINARY of this compares bytes of another character set", "use COLLATE", node)
        if not isinstance(node.parent, exp.EQ | exp.NEQ | exp.In | exp.NullSafeEQ | exp.Count | exp.Distinct):
            raise self.values.error("BINARY makes bytes of a text", "use it in comparisons only", node)
        return Value(value.node, "text", collation="binary", explicit=True)
