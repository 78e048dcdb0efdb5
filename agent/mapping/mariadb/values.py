"""What MariaDB makes of values: their kinds, how a text compares, and the same value written for PostgreSQL.

Every expression of a mapping becomes a `Value`: PostgreSQL's expression for it, and what MariaDB knows of it. Whatever has no
rule here or in the function tables is refused, so nothing passes because both sides happen to know the name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from agent.errors import MappingError
from agent.mapping.problems import Problems
from agent.model.changes import Column

# bit: a number that MariaDB prints as something else (BIT, ZEROFILL, YEAR). document: JSON that became a text.
# opaque: kept as it is and never computed with.
Kind = Literal["null", "bool", "int", "bit", "dec", "text", "date", "datetime", "json", "document", "opaque"]
NUMBERS = ("bool", "int", "bit", "dec")
MOMENTS = ("date", "datetime")

UNPADDED = "unpadded "
MAX_SCALE = 30


@dataclass(frozen=True)
class Value:
    """node: for PostgreSQL. scale: digits after the point (dec). wide: computed in 64 bits already (int).

    collation: of a text; "": a literal or a printed number, which takes the other side's. explicit: by COLLATE. tight:
    never ends in blanks. char: at most 255 characters too, so it can be ordered as if padded. stored: the type of a
    column as it is.
    """

    node: exp.Expr
    kind: Kind
    scale: int = 0
    wide: bool = False
    collation: str = ""
    explicit: bool = False
    tight: bool = False
    char: bool = False
    stored: str = ""

    def with_node(self, node: exp.Expr) -> Value:
        """The same, written in another way."""
        return replace(self, node=node)


class Values:
    """The rules; refusals point into the mapping's text."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def error(self, what: str, remedy: str, node: exp.Expr) -> MappingError:
        """The refusal at the node."""
        return self.problems.error(what, remedy, node)

    def once(self, node: exp.Expr, at: exp.Expr) -> exp.Expr:
        """A copy, refused where the expression has a sub-query that would be asked twice."""
        if node.find(exp.Placeholder):
            raise self.error("a sub-query in this place would be asked twice", "put it into a derived table", at)
        return node.copy()

    # ------------------------------------------------------------------------------------------------ from outside

    def column(self, node: exp.Expr, column: Column) -> Value:
        """A captured column."""
        base, _, modifier = column.type_name.partition("(")
        kind = _KINDS.get(base.strip() if base != column.type_name else column.type_name, "opaque")
        if kind == "int" and column.collation == "binary":
            return Value(node, "bit", stored=base)
        if kind == "dec":
            return Value(node, "dec", stored=column.type_name, scale=int(modifier.rstrip(")").partition(",")[2] or 0))
        if kind == "text":
            name = column.collation.removeprefix(UNPADDED)
            fixed = name != column.collation
            return Value(node, "text", collation=name or "?", tight=fixed, char=fixed, stored=base)
        return Value(node, kind, stored=base)

    def literal(self, node: exp.Literal) -> Value:
        """A number or a text as written."""
        text = node.name
        if node.is_string:
            tight = not text.endswith(" ")
            return Value(node, "text", tight=tight, char=tight and len(text) <= 255)
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            raise self.error(f"the number {text} is a floating-point one", "write it with a decimal point", node)
        return Value(node, "dec", scale=len(text.partition(".")[2])) if "." in text else Value(node, "int")

    # ------------------------------------------------------------------------------------------------ changing kind

    def truth(self, value: Value, at: exp.Expr) -> exp.Expr:
        """As a condition: a number is true when it is not 0."""
        if value.kind == "bool":
            return value.node
        if value.kind == "null":
            return cast(exp.null(), "BOOLEAN")
        if value.kind in NUMBERS:
            return exp.Paren(this=exp.NEQ(this=value.node, expression=exp.Literal.number(0)))
        raise self.error(f"a {value.kind} as a condition", "compare it with something", at)

    def number(self, value: Value, at: exp.Expr) -> Value:
        """As something to compute with; a condition is 0 or 1."""
        if value.kind == "bool":
            return Value(bool_number(value.node), "int")
        if value.kind == "bit":
            return Value(value.node, "int")
        if value.kind in ("int", "dec", "null"):
            return value
        raise self.error(
            f"a {value.kind} where a number is wanted: MariaDB would read as much of it as looks like one",
            "cast or compare in the kind that the column has", at,
        )  # fmt: skip

    def integer(self, value: Value, at: exp.Expr) -> Value:
        """A whole number in 64 bits, as MariaDB computes."""
        number = self.number(value, at)
        if number.kind != "int" or number.wide:
            return number
        return Value(cast(number.node, "BIGINT"), "int", wide=True)

    def scaled(self, value: Value, scale: int) -> exp.Expr:
        """A number with exactly so many digits after the point."""
        if value.kind == "null" or (value.kind == "dec" and value.scale == scale):
            return value.node
        if isinstance(value.node, exp.Literal):
            whole, _, part = value.node.name.partition(".")
            digits = part.ljust(scale, "0")
            return exp.Literal.number(f"{whole}.{digits}" if digits else whole)
        return fn("ROUND", cast(value.node, "DECIMAL"), exp.Literal.number(scale))

    def text(self, value: Value, at: exp.Expr) -> Value:
        """As MariaDB prints it."""
        if value.kind == "text":
            return value
        if value.kind == "null":
            return Value(cast(exp.null(), "TEXT"), "text", tight=True)
        if value.kind == "bool":
            return Value(cast(bool_number(value.node), "TEXT"), "text", tight=True)
        if value.kind in ("int", "dec"):
            return Value(cast(value.node, "TEXT"), "text", tight=True)
        if value.kind == "date":
            return Value(fn("TO_CHAR", value.node, exp.Literal.string("YYYY-MM-DD")), "text", tight=True)
        remedy = {"bit": "add 0 to it", "datetime": "write DATE_FORMAT(x, '%Y-%m-%d %H:%i:%s')"}
        raise self.error(
            f"a {value.kind} as a text prints in MariaDB's own way", remedy.get(value.kind, "leave it as it is"), at
        )

    # ------------------------------------------------------------------------------------------------ together

    def alike(self, values: Sequence[Value], at: exp.Expr) -> tuple[Kind, int, list[exp.Expr]]:
        """Branches of one result: (kind, scale, nodes of that kind)."""
        kinds = {v.kind for v in values} - {"null"}
        if kinds <= {"bool"}:
            return ("bool" if kinds else "null"), 0, [v.node for v in values]
        if kinds <= set(NUMBERS) and kinds != {"bit"}:
            numbers = [self.number(v, at) for v in values]
            if "dec" not in kinds:
                return "int", 0, [n.node for n in numbers]
            scale = max(n.scale for n in numbers)
            return "dec", scale, [self.scaled(n, scale) for n in numbers]
        if kinds == {"date", "datetime"}:
            return "datetime", 0, [cast(v.node, "TIMESTAMP") if v.kind == "date" else v.node for v in values]
        if kinds == {"json", "text"} and all(isinstance(v.node, exp.Literal) for v in values if v.kind == "text"):
            return "document", 0, [self._json_literal(v, at) if v.kind == "text" else v.node for v in values]
        if len(kinds) == 1 and kinds <= {"text", "date", "datetime", "json"}:
            return next(iter(kinds)), 0, [v.node for v in values]
        raise self.error(
            f"results of different kinds ({', '.join(sorted(kinds))}): MariaDB would turn them into texts",
            "make them one kind", at,
        )  # fmt: skip

    def merged(self, values: Sequence[Value], at: exp.Expr, node: exp.Expr, kind: Kind, scale: int) -> Value:
        """A value made of several: what is known of its text is what all have in common."""
        texts = [v for v in values if v.kind == "text"]
        if kind != "text":
            return Value(node, kind, scale=scale)
        collation, explicit = self.collation(texts)
        return Value(
            node, "text", collation=collation, explicit=explicit,
            tight=all(t.tight for t in texts), char=all(t.char for t in texts),
        )  # fmt: skip

    @staticmethod
    def collation(texts: Sequence[Value]) -> tuple[str, bool]:
        """The collation that several texts have together; "?" when they do not agree."""
        for explicit in (True, False):
            names = {t.collation for t in texts if t.explicit == explicit and t.collation}
            if names:
                return (names.pop() if len(names) == 1 else "?"), explicit
        return "", False

    def _json_literal(self, value: Value, at: exp.Expr) -> exp.Expr:
        if value.node.name not in ("[]", "{}"):
            raise self.error("a text in place of JSON", "write '[]', or JSON_ARRAY()", at)
        return cast(value.node, "JSON")


_KINDS: dict[str, Kind] = {
    "smallint": "int", "integer": "int", "bigint": "int", "numeric": "dec", "text": "text", "date": "date",
    "timestamp without time zone": "datetime",
}  # fmt: skip


def fn(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of PostgreSQL's function of that very name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node: exp.Expr, to: str) -> exp.Expr:
    """CAST (node AS to)."""
    return exp.Cast(this=node, to=exp.DataType.build(to))


def bool_number(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Boolean):
        return exp.Literal.number(int(node.this))
    return cast(node, "INT")
