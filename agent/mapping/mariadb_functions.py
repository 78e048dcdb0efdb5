"""MariaDB's functions, operators and aggregates, one by one: which arguments they take here, and what PostgreSQL does instead.

Each rule was compared with a MariaDB, value by value (tests/integration/mariadb/test_dialect.py).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from agent.mapping.mariadb_case import LOWER_FROM, LOWER_TO, UPPER_FROM, UPPER_TO
from agent.mapping.mariadb_values import MAX_SCALE, MOMENTS, Value, Values, cast, fn

Evaluate = Callable[[exp.Expr], Value]
# By the form that the parser makes of MariaDB's letters.
FORMATS = {
    "%Y-%m-%d": "YYYY-MM-DD", "%Y%m%d": "YYYYMMDD", "%Y-%m": "YYYY-MM", "%Y%m": "YYYYMM", "%Y": "YYYY", "%m": "MM",
    "%d": "DD", "%d.%m.%Y": "DD.MM.YYYY", "%H:%M:%S": "HH24:MI:SS", "%Y-%m-%d %H:%M:%S": "YYYY-MM-DD HH24:MI:SS",
}  # fmt: skip
_CASED = ("_bin", "_general_ci", "_unicode_ci")
_QUOTIENT = "write ROUND(x / y, 2), or CAST(x / y AS DECIMAL(15, 2))"


class Functions:
    """Translates one node, its arguments by `evaluate`."""

    def __init__(self, values: Values, evaluate: Evaluate) -> None:
        self.values, self.evaluate = values, evaluate
        self._rules: dict[type[exp.Expr], Callable[..., Value]] = {
            exp.Add: self._arithmetic, exp.Sub: self._arithmetic, exp.Mul: self._arithmetic, exp.Mod: self._modulo,
            exp.IntDiv: self._integer_division, exp.Div: self._bare_quotient, exp.Neg: self._negative,
            exp.Abs: self._absolute, exp.Sign: self._sign, exp.Round: self._round, exp.Trunc: self._truncate,
            exp.Floor: self._floor, exp.Ceil: self._floor, exp.Greatest: self._greatest, exp.Least: self._greatest,
            exp.Concat: self._concat, exp.ConcatWs: self._concat_ws, exp.Trim: self._trim, exp.Upper: self._case_of,
            exp.Lower: self._case_of, exp.Substring: self._substring, exp.Left: self._left, exp.Right: self._left,
            exp.Replace: self._replace, exp.Pad: self._pad, exp.Length: self._length, exp.TsOrDsToDate: self._date,
            exp.Year: self._field, exp.Month: self._field, exp.Day: self._field, exp.DayOfMonth: self._field,
            exp.TimeToStr: self._format, exp.DateAdd: self._date_add, exp.DateSub: self._date_add, exp.Cast: self._cast,
            exp.Collate: self._collate, exp.Count: self._count, exp.Sum: self._sum, exp.Avg: self._bare_quotient,
            exp.Min: self._extreme, exp.Max: self._extreme, exp.GroupConcat: self._group_concat,
            exp.JSONObject: self._json_object, exp.Anonymous: self._named,
        }  # fmt: skip

    def translate(self, node: exp.Expr) -> Value | None:
        """The value; None when the node is none of ours."""
        rule = self._rules.get(type(node))
        return rule(node) if rule is not None else None

    # ------------------------------------------------------------------------------------------------ numbers

    def _number(self, node: exp.Expr) -> Value:
        return self.values.number(self.evaluate(node), node)

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
        missing = exp.or_(*(exp.Is(this=self.once(n, node), expression=exp.null()) for n in nodes))
        result = fn(node.key.upper(), *nodes)
        return Value(exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=result), kind, scale=scale)

    def once(self, node: exp.Expr, at: exp.Expr) -> exp.Expr:
        """A copy, refused where the expression has a sub-query that would be asked twice."""
        if node.find(exp.Placeholder):
            raise self.values.error("a sub-query in this place would be asked twice", "put it into a derived table", at)
        return node.copy()

    def _whole(self, node: exp.Expr | None, at: exp.Expr, default: int | None = None, least: int = 0) -> int:
        if node is None and default is not None:
            return default
        if not isinstance(node, exp.Literal) or not node.name.isdigit() or int(node.name) < least:
            raise self.values.error(f"here stands a whole number of at least {least}, written out", "write the number", at)
        return int(node.name)

    # ------------------------------------------------------------------------------------------------ texts

    def _text(self, node: exp.Expr) -> Value:
        return self.values.text(self.evaluate(node), node)

    def _concat(self, node: exp.Concat) -> Value:
        parts = [self._text(e) for e in node.expressions]
        joined: exp.Expr = parts[0].node
        for part in parts[1:]:
            joined = exp.DPipe(this=joined, expression=part.node)
        result = self.values.merged(parts, node, exp.Paren(this=joined), "text", 0)
        return Value(result.node, "text", collation=result.collation, explicit=result.explicit)

    def _concat_ws(self, node: exp.ConcatWs) -> Value:
        parts = [self._text(e) for e in node.expressions]
        result = self.values.merged(parts, node, fn("CONCAT_WS", *(p.node for p in parts)), "text", 0)
        return Value(result.node, "text", collation=result.collation, explicit=result.explicit)

    def _trim(self, node: exp.Trim) -> Value:
        value, side = self._text(node.this), (node.args.get("position") or "BOTH").upper()
        what = node.args.get("expression")
        letter = what.name if isinstance(what, exp.Literal) and what.is_string else " "
        if what is not None and (not isinstance(what, exp.Literal) or len(letter) != 1):
            raise self.values.error("TRIM takes away one character at a time here", "name one character", node)
        name = {"LEADING": "LTRIM", "TRAILING": "RTRIM", "BOTH": "BTRIM"}[side]
        tight = value.tight if side == "LEADING" else letter == " "
        return Value(
            fn(name, value.node, exp.Literal.string(letter)), "text", collation=value.collation,
            explicit=value.explicit, tight=tight, char=tight and value.char,
        )  # fmt: skip

    def _case_of(self, node: exp.Func) -> Value:
        value = self._text(node.this)
        if not (value.collation.startswith("utf8") and value.collation.endswith(_CASED)):
            raise self.values.error(
                f"{node.key.upper()} of a text whose collation has a table of its own ({value.collation or 'none'})",
                "use it on columns with a utf8mb4 _bin, _general_ci or _unicode_ci collation", node,
            )  # fmt: skip
        upper = isinstance(node, exp.Upper)
        pairs = (UPPER_FROM, UPPER_TO) if upper else (LOWER_FROM, LOWER_TO)
        # Under "C" only ASCII changes, whatever the store's locale; the rest is MariaDB's own table.
        plain = fn("UPPER" if upper else "LOWER", exp.Collate(this=value.node, expression=exp.to_identifier("C", quoted=True)))
        return value.with_node(fn("TRANSLATE", plain, *(exp.Literal.string(p) for p in pairs)))

    def _part(self, value: Value, node: exp.Expr, tight: bool = False) -> Value:
        return Value(node, "text", collation=value.collation, explicit=value.explicit, tight=tight, char=tight and value.char)

    def _substring(self, node: exp.Substring) -> Value:
        value = self._text(node.this)
        numbers = [exp.Literal.number(self._whole(node.args.get("start"), node, least=1))]
        if node.args.get("length") is not None:
            numbers.append(exp.Literal.number(self._whole(node.args["length"], node)))
        return self._part(value, fn("SUBSTR", value.node, *numbers), value.tight and len(numbers) == 1)

    def _left(self, node: exp.Func) -> Value:
        value, length = self._text(node.this), exp.Literal.number(self._whole(node.expression, node))
        return self._part(value, fn(node.key.upper(), value.node, length), value.tight and isinstance(node, exp.Right))

    def _replace(self, node: exp.Replace) -> Value:
        value, words = self._text(node.this), (node.expression, node.args["replacement"])
        if not all(isinstance(w, exp.Literal) and w.is_string for w in words):
            # With a NULL for the replacement, the result is NULL only where something was found.
            raise self.values.error("REPLACE takes texts that are written out", "write REPLACE(x, '-', '')", node)
        return self._part(value, fn("REPLACE", value.node, *(w.copy() for w in words)))

    def _pad(self, node: exp.Pad) -> Value:
        value, fill = self._text(node.this), node.args.get("fill_pattern")
        if not isinstance(fill, exp.Literal) or not fill.is_string or not fill.name:
            raise self.values.error("LPAD and RPAD fill with a text, written out", "write LPAD(x, 8, '0')", node)
        length = exp.Literal.number(self._whole(node.expression, node))
        return self._part(value, fn("LPAD" if node.args.get("is_left") else "RPAD", value.node, length, fill.copy()))

    def _length(self, node: exp.Length) -> Value:
        if node.args.get("binary"):
            raise self.values.error("LENGTH counts bytes of the column's character set", "write CHAR_LENGTH", node)
        return Value(fn("CHAR_LENGTH", self._text(node.this).node), "int")

    def _collate(self, node: exp.Collate) -> Value:
        value, name = self.evaluate(node.this), node.expression.name.lower()
        if value.kind != "text" or not name.endswith("_bin"):
            raise self.values.error(f"COLLATE {name} is not supported", "use the _bin collation of its character set", node)
        return Value(value.node, "text", collation=name, explicit=True, tight=value.tight, char=value.char)

    # ------------------------------------------------------------------------------------------------ dates

    def _moment(self, node: exp.Expr) -> Value:
        value = self.evaluate(node)
        if value.kind not in (*MOMENTS, "null"):
            raise self.values.error(f"a {value.kind} where a date is wanted", "use DATE and DATETIME columns", node)
        return value

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
            this=self.once(there, node), low=cast(exp.Literal.string("0001-01-01"), "TIMESTAMP"),
            high=cast(exp.Literal.string("9999-12-31 23:59:59.999999"), "TIMESTAMP"),
        )  # fmt: skip
        there = cast(there, "DATE") if value.kind == "date" else there
        return Value(exp.Case(ifs=[exp.If(this=guard, true=there)]), value.kind)

    # ------------------------------------------------------------------------------------------------ casts

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
            exp.If(this=exp.GT(this=self.once(rounded.node, node), expression=top), true=top.copy()),
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

    # ------------------------------------------------------------------------------------------------ aggregates and JSON

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
