"""Which PostgreSQL types a mirror keeps as they are, and which it keeps as text (pure)."""

from __future__ import annotations

import re

_PLAIN = {
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean", "text", "character varying",
    "character", "bpchar", "date", "time without time zone", "time with time zone", "timestamp without time zone",
    "timestamp with time zone", "interval", "uuid", "json", "jsonb", "bytea", "inet", "cidr", "macaddr", "oid", "name",
    '"char"', "xml", "bit", "bit varying", "money",
}  # fmt: skip
_MODIFIED = re.compile(r"^(?P<base>[a-z \"]+?)\s*\((?P<mod>[\d, -]+)\)(?P<tail>[a-z ]*)(?P<array>(\[\])*)$")


def mirror_type(type_name: str) -> str:
    """The mirror column's type for a source's format_type() text: itself if built in, else text (enums, domains, composites).

    Length limits are dropped from varchar and numeric, so that a widened source column never breaks a merge; char(n)
    keeps its length because its padding is part of its meaning.
    """
    name = type_name.strip()
    match = _MODIFIED.match(name)
    base = (match["base"] + match["tail"]).strip() if match else name.rstrip("[]")
    array = match["array"] if match else name[len(name.rstrip("[]")) :]
    if base not in _PLAIN:
        return "text"
    if base in ("character", "bit") and match:
        return name
    if base in ("json", "xml"):
        return "text" if base == "xml" else "jsonb" + array
    return base + array
