"""MariaDB's functions of texts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from agent.mapping.mariadb.case import LOWER_FROM, LOWER_TO, UPPER_FROM, UPPER_TO
from agent.mapping.mariadb.rules import Rule, Rules
from agent.mapping.mariadb.values import Value, fn

_CASED = ("_bin", "_general_ci", "_unicode_ci")


class Texts(Rules):
    """Characters, not bytes; what is known of a text's end and collation goes along."""

    def rules(self) -> Mapping[type[exp.Expr], Rule]:
        """Node type → rule."""
        return {
            exp.Concat: self._concat, exp.ConcatWs: self._concat_ws, exp.Trim: self._trim, exp.Upper: self._case_of,
            exp.Lower: self._case_of, exp.Substring: self._substring, exp.Left: self._left, exp.Right: self._left,
            exp.Replace: self._replace, exp.Pad: self._pad, exp.Length: self._length, exp.Collate: self._collate,
        }  # fmt: skip

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
