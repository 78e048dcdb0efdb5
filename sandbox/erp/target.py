"""Request targets: entity set, key, action and query options, parsed strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_plus

from sandbox.erp.errors import Refused, no_resource, url
from sandbox.erp.schema import SetSchema
from sandbox.erp.sets import SETS
from sandbox.erp.state import Key, canonical

_PATH = re.compile(r"([A-Za-z$][A-Za-z0-9$]*)(?:\((.*)\))?(?:/(.*))?", re.DOTALL)
_ABSOLUTE = re.compile(r"https?://[^/]+(?=/)")
_PART = re.compile(r"(?:([A-Za-z][A-Za-z0-9]*)=)?('(?:[^']|'')*'|-?\d{1,18})(,|$)")
_ACTION = "Microsoft.Dynamics.DataEntities."
_ROOT = "/data/"


@dataclass(frozen=True, slots=True)
class Query:
    """The query options of one request."""

    cross_company: bool = False
    filter: str | None = None
    top: int | None = None
    skip: int = 0
    select: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    count: bool = False
    after: int | None = None  # our own continuation: the last record number of the page before

    @property
    def only_company(self) -> bool:
        """Nothing but cross-company: all that a write may carry."""
        return self in (_CROSS, _PLAIN)


_PLAIN = Query()
_CROSS = Query(cross_company=True)


@dataclass(slots=True)
class Target:
    """Where a request goes. Without a schema `name` is '' (service document), $metadata or $batch."""

    raw: str
    name: str
    schema: SetSchema | None
    values: tuple[Any, ...] | None  # the key as written
    key: Key | None  # the key as compared
    action: str | None
    query: Query


def parse_target(raw: str, *, in_batch: bool = False) -> Target:
    """Understand `/data/Set(key)/Action?options`; in a batch also absolute and relative URLs."""
    path, _, options = raw.partition("?")
    query = parse_query(options) if options else _PLAIN
    if in_batch and not path.startswith("/"):
        match = _ABSOLUTE.match(path)
        path = path[match.end() :] if match else _ROOT + path
    if "%" in path:
        path = unquote(path, errors="strict") if _decodable(path) else path
    if not path.startswith(_ROOT):
        if path == "/data":
            return Target(raw, "", None, None, None, None, query)
        raise no_resource(raw)
    return _entity_target(raw, path[len(_ROOT) :], query)


def _decodable(path: str) -> bool:
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise url("The URL is not valid UTF-8.") from None
    return True


def _entity_target(raw: str, path: str, query: Query) -> Target:
    if path == "":
        return Target(raw, "", None, None, None, None, query)
    match = _PATH.fullmatch(path)
    if match is None:
        raise no_resource(raw)
    name, key_text, rest = match.groups()
    schema = SETS.get(name)
    if schema is None:
        if name in ("$metadata", "$batch") and key_text is None and rest is None:
            return Target(raw, name, None, None, None, None, query)
        raise no_resource(raw)
    values = None if key_text is None else _key(schema, key_text)
    action = None
    if rest is not None:
        action = rest.removeprefix(_ACTION)
        if action not in schema.actions or action == rest or values is None:
            raise no_resource(raw)
    return Target(raw, name, schema, values, None if values is None else canonical(values), action, query)


def _key(schema: SetSchema, text: str) -> tuple[Any, ...]:
    match = schema.key_pattern.fullmatch(text)
    if match is not None:
        return tuple([_literal(part) for part in match.groups()])
    return _key_any_order(schema, text)


def _literal(text: str) -> Any:
    return text[1:-1].replace("''", "'") if text[0] == "'" else int(text)


def _key_any_order(schema: SetSchema, text: str) -> tuple[Any, ...]:
    found: dict[str, Any] = {}
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise url(f"Syntax error in the key '{text}' of '{schema.name}'.")
        name = match[1] or (schema.keys[0] if len(schema.keys) == 1 else "")
        at = match.end()
        if name not in schema.keys or name in found or (match[3] == "," and at == len(text)):
            wanted = ", ".join(schema.keys)
            raise url(f"The key '{text}' does not name the key properties of '{schema.name}': {wanted}.")
        found[name] = _literal(match[2])
    for name in schema.keys:
        expected: type = int if schema.by_name[name].kind == "int" else str
        if name not in found or found[name].__class__ is not expected:
            raise url(f"The key '{text}' does not fit '{schema.name}': it needs {', '.join(schema.keys)}.")
    return tuple(found[name] for name in schema.keys)


@lru_cache(maxsize=4096)
def parse_query(text: str) -> Query:
    """Query options; unknown ones are refused."""
    options: dict[str, str] = {}
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in options:
            raise url(f"Query option '{name}' was specified more than once.")
        options[name] = unquote_plus(value)
    known = {"cross-company", "$filter", "$top", "$skip", "$select", "$expand", "$count", "$skiptoken"}
    for name in options:
        if name not in known:
            raise url(f"The query option '{name}' is not supported.")
    return Query(
        cross_company=_boolean(options, "cross-company"),
        filter=options.get("$filter"),
        top=_number(options, "$top"),
        skip=_number(options, "$skip") or 0,
        select=_names(options, "$select"),
        expand=_names(options, "$expand"),
        count=_boolean(options, "$count"),
        after=_number(options, "$skiptoken"),
    )


def _boolean(options: dict[str, str], name: str) -> bool:
    value = options.get(name, "false")
    if value not in ("true", "false"):
        raise url(f"Invalid value '{value}' for '{name}'.")
    return value == "true"


def _number(options: dict[str, str], name: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise url(f"Invalid value '{value}' for '{name}'.")
    return int(value)


def _names(options: dict[str, str], name: str) -> tuple[str, ...]:
    value = options.get(name)
    if value is None:
        return ()
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise url(f"Invalid value '{value}' for '{name}'.")
    return names


_CLAUSE = re.compile(
    r"\s*([A-Za-z][A-Za-z0-9]*)\s+eq\s+"
    r"((?:Microsoft\.Dynamics\.DataEntities\.NoYes)?'(?:[^']|'')*'|null|\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?|-?\d+(?:\.\d+)?)"
    r"(\s+and\s+|\s*$)"
)
_ENUM = "Microsoft.Dynamics.DataEntities.NoYes"


@lru_cache(maxsize=1024)
def parse_filter(set_name: str, text: str) -> tuple[tuple[str, Any], ...]:
    """`field eq literal and …` as pairs of property and comparable value."""
    schema, at, clauses = SETS[set_name], 0, []
    while True:
        match = _CLAUSE.match(text, at)
        if match is None:
            raise url(
                f"Syntax error at position {at} in '{text}'. Supported: <field> eq <literal> joined by and."
            )
        clauses.append((match[1], _comparable(schema, match[1], match[2])))
        at = match.end()
        if at == len(text):
            if match[3].strip():
                raise url(f"Syntax error at position {at} in '{text}'.")
            return tuple(clauses)


def _comparable(schema: SetSchema, name: str, literal: str) -> Any:
    spec = schema.by_name.get(name)
    if spec is None:
        owner = f"Microsoft.Dynamics.DataEntities.{schema.type_name}"
        raise url(f"Could not find a property named '{name}' on type '{owner}'.")
    if literal == "null":
        return "" if spec.kind == "text" else None
    quoted = literal.endswith("'")
    if literal.startswith(_ENUM) and spec.kind == "yesno":
        return _literal(literal[len(_ENUM) :])
    if spec.kind in ("text", "yesno") and literal[0] == "'":
        value = _literal(literal)
        return value.upper() if spec.kind == "text" else value
    if spec.kind == "date" and not quoted and "-" in literal[1:]:
        return literal[:10] + "T12:00:00Z"
    if spec.kind in ("decimal", "int") and not quoted and "-" not in literal[1:]:
        return float(literal)
    raise _incompatible(name, literal)


def _incompatible(name: str, literal: str) -> Refused:
    return url(
        f"A binary operator with incompatible types was detected: property '{name}' and literal {literal}."
    )


def satisfies(schema: SetSchema, fields: dict[str, Any], clauses: tuple[tuple[str, Any], ...]) -> bool:
    """Whether a record (or a body that may become one) meets every clause on the fields it has."""
    for name, wanted in clauses:
        if name not in fields:
            continue
        value = fields[name]
        if schema.by_name[name].kind == "text" and value.__class__ is str:
            value = value.upper()
        if value != wanted:
            return False
    return True
