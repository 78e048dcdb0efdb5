"""Where MariaDB compares, orders and groups: the same for PostgreSQL; refused where texts compare by more than characters."""

from __future__ import annotations

import re
from datetime import date, datetime

from sqlglot import exp

from agent.mapping.mariadb.values import MOMENTS, NUMBERS, Value, Values, bool_number, cast, fn

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?")
_TEXT_REMEDY = "write a.x COLLATE utf8mb4_bin (or the _bin collation of its character set), or make the column binary"


class Comparisons(Values):
    """Values, and how two of them compare."""

    def comparable(self, left: Value, right: Value, at: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
        """Both sides so that PostgreSQL's = means what MariaDB's does."""
        kinds = {left.kind, right.kind} - {"null"}
        if not kinds or "null" in (left.kind, right.kind):
            return left.node, right.node
        if kinds <= set(NUMBERS):
            return self.number(left, at).node, self.number(right, at).node
        if kinds == {"text"}:
            return self._same_text(left, right, at)
        if len(kinds) == 2 and "text" in kinds and kinds & set(MOMENTS):
            return self._moment(left, at), self._moment(right, at)
        if kinds <= set(MOMENTS):
            return left.node, right.node
        raise self.error(
            f"a {left.kind} compared with a {right.kind}", "compare values of one kind", at
        )

    def ordered(self, left: Value, right: Value, at: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
        """Both sides so that PostgreSQL's < means what MariaDB's does."""
        if "text" not in (left.kind, right.kind) or {left.kind, right.kind} & set(MOMENTS):
            return self.comparable(left, right, at)
        if {left.kind, right.kind} != {"text"}:
            return self.comparable(left, right, at)
        name, _ = self.collation([left, right])
        return self.sortable(left, at, name), self.sortable(right, at, name)

    def sortable(self, value: Value, at: exp.Expr, collation: str | None = None) -> exp.Expr:
        """A value to order by."""
        if value.kind in ("int", "dec", "bit", "date", "datetime"):
            return value.node
        if value.kind == "bool":
            return bool_number(value.node)
        name = collation or value.collation
        if value.kind != "text":
            raise self.error(f"a {value.kind} has no order here", "order by numbers, dates or codes", at)
        if not _is_unicode(name) or not (name.endswith("_nopad_bin") or (name.endswith("_bin") and value.char)):
            raise self.error(
                f"the order of this text depends on its collation ({_shown(name)}) and its trailing blanks",
                "order by numbers, dates, or CHAR columns with a _bin collation", at,
            )  # fmt: skip
        if name.endswith("_nopad_bin"):
            return _by_bytes(value.node)
        # Shorter texts compare as if blanks followed, which is not the same as first where control characters occur.
        return _by_bytes(fn("RPAD", value.node, exp.Literal.number(255), exp.Literal.string(" ")))

    def groupable(self, value: Value, at: exp.Expr) -> exp.Expr:
        """A value by which equal ones fall together, none of them standing for the others."""
        if value.kind == "text":
            name = value.collation
            if not (name == "binary" or name.endswith("_nopad_bin") or (name.endswith("_bin") and value.tight)):
                raise self.error(
                    f"texts that differ fall together under this collation ({_shown(name)})",
                    f"{_TEXT_REMEDY}, and RTRIM what may end in blanks", at,
                )  # fmt: skip
        elif value.kind not in ("int", "dec", "bit", "date", "datetime"):
            raise self.error(f"grouping by a {value.kind} is not supported", "group by columns", at)
        return value.node

    def exact_text(self, value: Value, at: exp.Expr, why: str) -> None:
        """Refuse a text whose characters MariaDB does not take one by one."""
        if not value.collation.endswith("_bin") and value.collation != "binary":
            raise self.error(f"{why} under the collation {_shown(value.collation)}", _TEXT_REMEDY, at)

    def _same_text(self, left: Value, right: Value, at: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
        name, _ = self.collation([left, right])
        if name == "binary" or name.endswith("_nopad_bin"):
            return left.node, right.node
        if not name.endswith("_bin"):
            raise self.error(
                f"this comparison ignores case, accents or more (collation {_shown(name)})", _TEXT_REMEDY, at
            )
        return trimmed(left), trimmed(right)

    def _moment(self, value: Value, at: exp.Expr) -> exp.Expr:
        if value.kind != "text":
            return value.node
        text = value.node.name if isinstance(value.node, exp.Literal) else ""
        for form, kind in ((_DATE, "DATE"), (_DATETIME, "TIMESTAMP")):
            if form.fullmatch(text):
                try:
                    (date if kind == "DATE" else datetime).fromisoformat(text)
                except ValueError:
                    break
                return cast(exp.Literal.string(text), kind)
        raise self.error("a date compared with a text", "write a date as 'YYYY-MM-DD'", at)


def trimmed(value: Value) -> exp.Expr:
    """A text without its trailing blanks, which PAD SPACE does not see."""
    if value.tight:
        return value.node
    if isinstance(value.node, exp.Literal):
        return exp.Literal.string(value.node.name.rstrip(" "))
    return fn("RTRIM", value.node)


def _by_bytes(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Collate(this=node, expression=exp.to_identifier("C", quoted=True)))


def _is_unicode(collation: str) -> bool:
    return collation.startswith(("utf8", "ascii"))


def _shown(collation: str) -> str:
    return collation if collation not in ("", "?") else "of the connection"
