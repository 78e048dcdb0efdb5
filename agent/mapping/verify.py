"""The store's own word on a compiled mapping: every statement planned against the mirror, and the types it yields."""

from __future__ import annotations

from typing import Any

import psycopg

from agent.errors import MappingError
from agent.model.mapping import CHANGED, KEYS, CompiledMapping, TableName

Connection = psycopg.Connection[Any]


def prepare_all(conn: Connection, mapping: CompiledMapping, *, mirror_schema: str | None = None) -> None:
    """Have the store plan every generated statement; MappingError when one does not hold, or yields other types.

    Needs the mirror's views. Changes nothing, and leaves the transaction usable.
    """
    schema = mirror_schema or f"mirror_{mapping.source}"
    for what, text in _statements(mapping, schema):
        _plan(conn, mapping, what, text)
    view, evaluated = (
        _types(conn, mapping.view_sql),
        _types(conn, _filled(mapping, mapping.evaluate_sql, schema)),
    )
    different = [f"{v[0]}: {v[1]} or {e[1]}" for v, e in zip(view, evaluated, strict=True) if v != e]
    if different:
        raise MappingError(
            f"an output has another type when evaluated by key ({', '.join(different)})",
            where=f"mapping {mapping.name}",
            remedy="cast the output to the type you want",
        )


def describe(conn: Connection, mapping: CompiledMapping) -> list[tuple[str, str]]:
    """(output name, PostgreSQL type) of the view, for its typed state table; json becomes jsonb, which can be compared."""
    return [(name, "jsonb" if kind == "json" else kind) for name, kind in _types(conn, mapping.view_sql)]


def _statements(mapping: CompiledMapping, schema: str) -> list[tuple[str, str]]:
    found = [("view", mapping.view_sql), ("evaluation", _filled(mapping, mapping.evaluate_sql, schema))]
    for leaf in mapping.leaves:
        if leaf.affected_sql is not None:
            text = leaf.affected_sql.replace(CHANGED, _nothing_of(schema, leaf.table, "*"))
            found.append((f"affected entities of {leaf.table} ({leaf.leaf_id})", text))
    return found


def _filled(mapping: CompiledMapping, text: str, schema: str) -> str:
    columns = ", ".join(f'"{k.column}" AS "{k.output}"' for k in mapping.key)
    return text.replace(KEYS, f"{_nothing_of(schema, mapping.root, columns)} AS _none")


def _nothing_of(schema: str, table: TableName, columns: str) -> str:
    return f'(SELECT {columns} FROM "{schema}"."{table}" WHERE false)'


def _plan(conn: Connection, mapping: CompiledMapping, what: str, text: str) -> None:
    try:
        with conn.transaction():
            conn.execute("EXPLAIN " + text)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError) as error:
        # Anything else is about the connection, and not the mapping's fault.
        raise MappingError(
            f"the store refuses the {what}: {error.diag.message_primary or error}",
            where=f"mapping {mapping.name}",
            remedy="check the types that are compared and combined in the mapping",
        ) from error


def _types(conn: Connection, text: str) -> list[tuple[str, str]]:
    with conn.transaction():
        result = conn.execute(f"SELECT * FROM ({text}) AS _typed LIMIT 0").pgresult
    assert result is not None
    found = []
    for number in range(result.nfields):
        kind = conn.execute(
            "SELECT format_type(%s, %s)", (result.ftype(number), result.fmod(number))
        ).fetchone()
        assert kind is not None
        found.append(((result.fname(number) or b"").decode(), kind[0]))
    return found
