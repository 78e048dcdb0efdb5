"""The merge statements of one mirror table, made from its columns (pure text building)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from agent.mirror.tables import MirrorTable, quote
from agent.model.changes import Column, Relation
from agent.store.queries import queries

_SQL = queries("agent.mirror", "merge")
# Where row changes are read from: the inbox, and with it what foreign keys did without being captured.
PLAIN = {"changes": "coexist.inbox", "captured": "true"}
ACTED = {"changes": f"({_SQL['changes_acted']})", "captured": "i.captured"}


class TableStatements:
    """Names, casts and filled templates for rows of one relation version merging into one mirror table.

    `with_unchanged` and `with_moves` choose the statement for batches that hold unchanged large values or key
    changes; the plain ones are cheaper.
    """

    def __init__(
        self, table: MirrorTable, relation: Relation, number: int, referred: Collection[str] = ()
    ) -> None:
        """referred: columns that foreign keys refer to."""
        self.table = table
        self.relation = relation
        self.number = number
        self.staged = f'pg_temp."staged_{number}"'
        types = {c.name: c.type_name for c in table.columns}
        self._columns = [c for c in relation.columns if c.name in types]
        self._types = types
        self._position = {c.name: i for i, c in enumerate(relation.columns, 1)}
        self._keys = list(table.key)
        self._referred = [c for c in table.columns if c.name in referred and not c.key and c.name in self._position]
        self._cache: dict[tuple[Any, ...], bytes] = {}

    def text(
        self, name: str, *, unchanged: bool = False, moves: bool = False, acted: bool = False,
        extra: dict[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        """A filled template, ready to execute. acted: over what foreign keys did, too."""
        at = (name, unchanged, moves, acted, *(extra or {}).items())
        found = self._cache.get(at)
        if found is None:
            chosen = (ACTED if acted else PLAIN) | {"which": "AND NOT f._acted" if acted else ""} | (extra or {})
            found = self._cache[at] = self._fill(name, unchanged, moves, chosen)
        return found

    def _fill(self, name: str, unchanged: bool, moves: bool, extra: dict[str, str]) -> bytes:
        fields = self._fields(unchanged) | {"moved_keys": ""} | extra
        if moves:
            fields["moved_keys"] = _SQL["moved_keys"].format_map(fields)
        return _SQL[name].format_map(fields).encode()

    def _fields(self, unchanged: bool) -> dict[str, str]:
        keys = ", ".join(quote(c.name) for c in self._keys)
        return {
            "staged": self.staged,
            "rows": self.table.rows,
            "live": self.table.live,
            "keys": keys,
            "staged_keys": ", ".join(f"f.{quote(c.name)}" for c in self._keys),
            "key_columns": ", ".join(f"{quote(c.name)} {self._types[c.name]}" for c in self._keys),
            "key_casts": ", ".join(
                f"{self._cast('coalesce(i.new_values, i.old_values)', c)} AS {quote(c.name)}"
                for c in self._keys
            ),
            "old_key_casts": ", ".join(self._cast("i.old_values", c) for c in self._keys),
            "old_key_texts": ", ".join(f"i.old_values[{self._position[c.name]}]" for c in self._keys),
            "new_key_texts": ", ".join(f"i.new_values[{self._position[c.name]}]" for c in self._keys),
            "held_key": self._key_text("(coalesce(new_values, old_values))[{position}]"),
            "staged_key": self._key_text("coalesce(f._vals[{position}], f.{name}::text)"),
            "row_key": self._key_text("m.{name}::text"),
            "old_probe": ", ".join(self._cast("_old", c) for c in (*self._keys, *self._referred)),
            "staged_is_row": " AND ".join(f"f.{quote(c.name)} = m.{quote(c.name)}" for c in self._keys),
            "row_is_read": " AND ".join(
                f"m.{quote(c.name)} = {self._cast('i.new_values', c)}" for c in self._keys
            ),
            "staged_new_texts": ", ".join(f"f._vals[{self._position[c.name]}]" for c in self._keys),
            "staged_is_new": " AND ".join(
                f"f.{quote(c.name)} = {self._cast('coalesce(i.new_values, i.old_values)', c)}"
                for c in self._keys
            ),
            "own_casts": ", ".join(f"w.own[{n}]::{self._types[c.name]}" for n, c in enumerate(self._keys, 1)),
            "columns": ", ".join(quote(c.name) for c in self._columns),
            "casts": ", ".join(self._value(c, unchanged) for c in self._columns),
            "assignments": ", ".join(f"{quote(c.name)} = excluded.{quote(c.name)}" for c in self._columns),
            "origin": self._origin() if unchanged else "",
        }

    def image(self, values: str, columns: Iterable[str]) -> str:
        """SQL for these columns of an image in the inbox as the mirror prints them: text[], or NULL where there is none."""
        listed = ", ".join(f"({values})[{self._position[c]}]::{self._types[c]}::text" for c in columns)
        return f"CASE WHEN {values} IS NULL THEN NULL ELSE ARRAY[{listed}]::text[] END"

    def spelled(self, values: str, columns: Iterable[str]) -> str:
        """SQL for these columns of an image in the inbox as the source wrote them: text[]."""
        return "ARRAY[" + ", ".join(f"({values})[{self._position[c]}]" for c in columns) + "]::text[]"

    def position(self, column: str) -> int:
        """The column's place in the inbox's arrays, from 1."""
        return self._position[column]

    def _key_text(self, template: str) -> str:
        """SQL for what agent.model.keys.key_text makes of a key."""
        parts = [
            template.format(position=self._position[c.name], name=quote(c.name)) for c in self._keys
        ]
        return " || '/' || ".join(
            rf"replace(replace(rtrim({part}, E' \t\n\r\x0b\f'), '\', '\\'), '/', '\/')" for part in parts
        )

    def _cast(self, values: str, column: Column) -> str:
        return f"({values})[{self._position[column.name]}]::{self._types[column.name]}"

    def _value(self, column: Column, unchanged: bool) -> str:
        plain = self._cast("_vals", column)
        if not unchanged or column.key:
            return plain
        position = self._position[column.name]
        return f"CASE WHEN {position} = ANY (f._unch) THEN o.{quote(column.name)} ELSE {plain} END"

    def _origin(self) -> str:
        on = " AND ".join(
            f"o.{quote(c.name)} = coalesce(f._origin[{n}]::{self._types[c.name]}, f.{quote(c.name)})"
            for n, c in enumerate(self._keys, 1)
        )
        return f"LEFT JOIN {self.table.rows} o ON {on}"
