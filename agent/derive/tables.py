"""One mapping's state table, its working tables, and its filled statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from agent.errors import MappingError
from agent.model.mapping import KEYS, CompiledMapping
from agent.store.queries import queries

_SQL = queries("agent.derive", "derive")


def quote(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class MappingTables:
    """Names and statements of one compiled mapping. `types`: output name → PostgreSQL type, as the mirror yields it."""

    def __init__(self, mapping: CompiledMapping, types: dict[str, str], number: int) -> None:
        self.mapping = mapping
        self.types = {name: "jsonb" if kind == "json" else kind for name, kind in types.items()}
        self.outputs = [o.name for o in mapping.outputs]
        self.key_names = [k.output for k in mapping.key]
        short = mapping.name.split(".")[-1]
        self.state = f"{quote('state_' + mapping.source)}.{quote(short)}"
        self.dirty = f'pg_temp."dirty_{number}"'
        self.evaluated = f'pg_temp."evaluated_{number}"'
        self._cache: dict[Any, bytes] = {}

    @property
    def working(self) -> tuple[str, str]:
        """The session's tables that a step fills and empties."""
        return self.dirty, self.evaluated

    def text(self, name: str, **extra: str) -> bytes:
        """A filled template, ready to execute."""
        at = (name, *extra.items())
        found = self._cache.get(at)
        if found is None:
            found = _SQL[name].format_map(self._fields() | extra).encode()
            self._cache[at] = found
        return found

    def over(self, name: str, first: Sequence[str] | None, end: Sequence[str] | None) -> bytes:
        """A statement over the dirty keys from `first` to just before `end`; `bounds` are its parameters."""
        at = ("over", name, first is None, end is None)
        if at not in self._cache:
            limits = [self._limit(">=", "first")] * (first is not None) + [self._limit("<", "end")] * (end is not None)
            span = " AND ".join(limits) or "true"
            part, select = self.dirty, self.mapping.evaluate_sql
            if limits:
                part = self._fill("within", range=span)
                select = select.replace("%", "%%")  # for only with parameters are they looked at
            filled = self._fill(name, range=span, part=part, select=select.replace(KEYS, f"{part} AS _part"))
            self._cache[at] = filled.encode()
        return self._cache[at]

    def bounds(self, first: Sequence[str] | None, end: Sequence[str] | None) -> dict[str, str] | None:
        """Parameters of a statement over a range."""
        named = [("first", first), ("end", end)]
        values = {f"{name}{n}": text for name, key in named for n, text in enumerate(key or ())}
        return values or None

    def _limit(self, sign: str, name: str) -> str:
        keys = ", ".join(quote(k) for k in self.key_names)
        values = ", ".join(f"%({name}{n})s::{self.types[k]}" for n, k in enumerate(self.key_names))
        return f"ROW({keys}) {sign} ROW({values})"

    def _fill(self, name: str, **extra: str) -> str:
        # Compiled SQL may hold braces of its own; it never goes through format.
        text: str = _SQL[name]
        for field, value in (self._fields() | extra).items():
            text = text.replace("{" + field + "}", value)
        return text

    def mark_affected(self, affected: str) -> bytes:
        """Marking through one leaf; txn and own are parameters."""
        at = ("mark_affected", affected)
        if at not in self._cache:
            self._cache[at] = self._fill("mark_affected", affected=affected.replace("%", "%%")).encode()
        return self._cache[at]

    def _fields(self) -> dict[str, str]:
        keys, outputs, types = self.key_names, self.outputs, self.types
        quoted = [quote(k) for k in keys]
        plain = [o for o in outputs if o not in keys]
        return {
            "state": self.state, "dirty": self.dirty, "evaluated": self.evaluated,
            "keys": ", ".join(quoted),
            "key_columns": ", ".join(f"{quote(k)} {types[k]}" for k in keys),
            "columns": ", ".join(f"{quote(o)} {types[o]}" for o in outputs),
            "output_names": ", ".join(quote(o) for o in outputs),
            "root_keys": ", ".join(f"f.{quote(k.column)}" for k in self.mapping.key),
            "root_columns": ", ".join(quote(k.column) for k in self.mapping.key),
            "root": self._root(),
            "affected_keys": ", ".join(f"a.{k}" for k in quoted),
            "affected_d_keys": ", ".join(f"d.{k}" for k in quoted),
            "key_texts": ", ".join(f"d.{k}::text" for k in quoted),
            "d_key_texts": "ARRAY[" + ", ".join(f"d.{k}::text" for k in quoted) + "]",
            "s_key_texts": "ARRAY[" + ", ".join(f"s.{k}::text" for k in quoted) + "]",
            "own_key_texts": ", ".join(f"{k}::text" for k in quoted),
            "key_from_texts": ", ".join(f"key_values[{n}]::{types[k]}" for n, k in enumerate(keys, 1)),
            "e_columns": ", ".join(f"e.{quote(o)}" for o in outputs),
            "s_columns": ", ".join(f"s.{quote(o)}" for o in outputs),
            "e_is_d": " AND ".join(f"e.{k} = d.{k}" for k in quoted),
            "s_is_d": " AND ".join(f"s.{k} = d.{k}" for k in quoted),
            "e_assignments": "".join(f"{quote(o)} = e.{quote(o)}, " for o in plain),
            "old_arrays": ", ".join(f"%(old{n})s::{types[k]}[]" for n, k in enumerate(keys)),
            "new_arrays": ", ".join(f"%(new{n})s::{types[k]}[]" for n, k in enumerate(keys)),
            "old_columns": ", ".join(f"o{n}" for n in range(len(keys))),
            "new_columns": ", ".join(f"n{n}" for n in range(len(keys))),
            "s_is_old": " AND ".join(f"s.{k} = m.o{n}" for n, k in enumerate(quoted)),
            "t_is_old": " AND ".join(f"t.{k} = m.o{n}" for n, k in enumerate(quoted)),
            "s_is_new": " AND ".join(f"s.{k} = m.n{n}" for n, k in enumerate(quoted)),
            "s_in_old": "EXISTS (SELECT 1 FROM unnest(" + ", ".join(
                f"%(old{n})s::{types[k]}[]" for n, k in enumerate(keys)) + ") AS q ("
                + ", ".join(f"o{n}" for n in range(len(keys))) + ") WHERE "
                + " AND ".join(f"s.{k} = q.o{n}" for n, k in enumerate(quoted)) + ")",
            "moved_columns": ", ".join(
                f"m.n{keys.index(o)}" if o in keys else f"t.{quote(o)}" for o in outputs),
        }  # fmt: skip

    def _root(self) -> str:
        return f"{quote('mirror_' + self.mapping.source)}.{quote(str(self.mapping.root))}"

    # ------------------------------------------------------------------------------------------------ DDL

    def create_temporary(self, conn: psycopg.Connection[Any]) -> None:
        """Working tables of this session, emptied by every step."""
        conn.execute(self.text("create_temporary"))
        conn.execute(self.text("create_evaluated"))

    def activate(self, conn: psycopg.Connection[Any]) -> bool:
        """Make the state table fit this version of the mapping; True when entities must be derived again.

        Ids and deletions survive; columns that both versions have are kept, so that only real differences become commands.
        """
        mapping = self.mapping
        row = conn.execute(
            "SELECT version FROM coexist.mapping_version WHERE mapping = %s AND active", (mapping.name,)
        ).fetchone()
        if row is not None and row[0] == mapping.version:
            return False
        conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote('state_' + mapping.source)}".encode())
        self._take_over(conn)
        present = conn.execute(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
            " WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped",
            (self.state,),
        ).fetchall()
        self._build(conn, dict(present))
        conn.execute("UPDATE coexist.mapping_version SET active = false WHERE mapping = %s", (mapping.name,))
        conn.execute(
            "INSERT INTO coexist.mapping_version (mapping, version, sql) VALUES (%s, %s, %s)"
            " ON CONFLICT (mapping, version) DO UPDATE SET active = true, activated_at = now()",
            (mapping.name, mapping.version, mapping.sql),
        )
        return True

    def _build(self, conn: psycopg.Connection[Any], present: dict[str, str]) -> None:
        columns = ", ".join(f"{quote(o)} {self.types[o]}" for o in self.outputs)
        keys = ", ".join(quote(k) for k in self.key_names)
        shape = (
            f"({columns}, _id uuid NOT NULL, _deleted boolean NOT NULL DEFAULT false, PRIMARY KEY ({keys}))"
        )
        if not present:
            conn.execute(f"CREATE TABLE {self.state} {shape} WITH (fillfactor = 85)".encode())
            conn.execute(f"CREATE UNIQUE INDEX ON {self.state} (_id)".encode())
            return
        self._refuse_other_key(conn, present)
        old = self.state[:-1] + '.old"'
        name = old.rpartition(".old")[0].rpartition('."')[2] + ".old"
        conn.execute(f"ALTER TABLE {self.state} RENAME TO {quote(name)}".encode())
        conn.execute(f"CREATE TABLE {self.state} {shape} WITH (fillfactor = 85)".encode())
        both = [o for o in self.outputs if present.get(o) == self.types[o]]
        if all(k in both for k in self.key_names):
            listed = ", ".join([*(quote(o) for o in both), "_id", "_deleted"])
            conn.execute(f"INSERT INTO {self.state} ({listed}) SELECT {listed} FROM {old}".encode())
        conn.execute(f"DROP TABLE {old}".encode())
        conn.execute(f"CREATE UNIQUE INDEX ON {self.state} (_id)".encode())

    def _take_over(self, conn: psycopg.Connection[Any]) -> None:
        """The state of a mapping that made the same entities under another name: they are the same entities."""
        if conn.execute("SELECT to_regclass(%s) IS NOT NULL", (self.state,)).fetchone() == (True,):
            return
        schema = "state_" + self.mapping.source
        former = conn.execute(_SQL["former_mappings"], {"source": self.mapping.source, "schema": schema}).fetchall()
        for (table,) in former:
            old = f"{quote(schema)}.{quote(table)}"
            row = conn.execute(_SQL["entity_of_state"].format_map({"state": old}).encode()).fetchone()
            if row == (self.mapping.entity,):
                conn.execute(f"ALTER TABLE {old} RENAME TO {quote(self.mapping.name.split('.')[-1])}".encode())
                return

    def _refuse_other_key(self, conn: psycopg.Connection[Any], present: dict[str, str]) -> None:
        if all(k in present for k in self.key_names):
            return
        row = conn.execute(f"SELECT count(*) FROM {self.state} WHERE NOT _deleted".encode()).fetchone()
        if row is not None and row[0]:
            raise MappingError(
                f"the key of {self.mapping.name} is now {', '.join(self.key_names)}: its {row[0]} entities could not be"
                " told from new ones, and each would be written to the targets a second time",
                where=f"mapping {self.mapping.name}",
                remedy="keep the key columns; entities under another key are another mapping of another entity",
            )
