"""Random source transactions over a random schema: several open at once, statements interleaved, some rolled back.

The model knows which rows each open transaction has touched, so that no statement ever waits for another connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from tests.support.mapping_strategies import (
    RandomColumn,
    RandomSchema,
    RandomTable,
    Value,
    literal,
    random_value,
)

LARGE = 2100  # characters: past this a row's text is kept out of line, and not sent when left alone
_ABSENT = object()
Key = tuple[Value, ...]
Row = dict[str, Value]
Ref = Callable[[str], str]
Execute = Callable[[int, str], None]  # connection number, statement


def with_large_texts(rng: Random, schema: RandomSchema) -> RandomSchema:
    """The schema with columns `b0` of large text in some tables."""
    tables = []
    for table in schema.tables:
        large = (RandomColumn("b0", "text", False, rng.random() < 0.3),) if rng.random() < 0.6 else ()
        tables.append(replace(table, columns=table.columns + large))
    return RandomSchema(tuple(tables))


def is_large(column: RandomColumn) -> bool:
    """Is this one of the columns that hold large texts?"""
    return column.name == "b0"


def value_for(rng: Random, column: RandomColumn) -> Value:
    """A random value; large texts differ at both ends, and small and missing ones are among them."""
    if not is_large(column) or rng.random() < 0.25:
        return random_value(rng, column)
    mark = rng.choice("xyz")
    return mark * LARGE + mark.upper()


@dataclass
class _Open:
    """One open transaction: what it sees beside the committed rows, and what it has locked."""

    overlay: dict[tuple[str, Key], Row | None] = field(default_factory=dict)
    truncated: set[str] = field(default_factory=set)
    statements: int = 0


class History:
    """What the source's tables hold, and what its open transactions have done to them."""

    def __init__(self, rng: Random, schema: RandomSchema, ref: Ref, execute: Execute, connections: int) -> None:
        self.rng, self.schema, self.ref, self.execute = rng, schema, ref, execute
        self.rows: dict[str, dict[Key, Row]] = {t.name: {} for t in schema.tables}
        self.open: list[_Open | None] = [None] * connections
        self.committed = 0  # transactions that changed something
        self.told: list[str] = []  # every statement, for a failure's story
        self._temporary = 90

    # ------------------------------------------------------------------------------------------------ transactions

    def act(self) -> bool:
        """One statement, commit or rollback on a random connection; True when something was committed."""
        number = self.rng.randrange(len(self.open))
        at = self.open[number]
        dice = self.rng.random()
        if at is None:
            if self.rng.random() < 0.35:
                return self._alone(number)
            self.open[number] = _Open()
            self._run(number, "BEGIN")
            return self.statement(number)
        if at.statements and dice < 0.3:
            return self.end(number, commit=dice > 0.04)
        return self.statement(number)

    def settle(self) -> None:
        """End every open transaction in random order."""
        left = [n for n, at in enumerate(self.open) if at is not None]
        self.rng.shuffle(left)
        for number in left:
            self.end(number, commit=self.rng.random() < 0.9)

    def end(self, number: int, *, commit: bool) -> bool:
        """Commit or roll back; True when a change was committed."""
        at = self.open[number]
        assert at is not None
        self._run(number, "COMMIT" if commit else "ROLLBACK")
        self.open[number] = None
        if not commit or not at.statements:
            return False
        for name in at.truncated:
            self.rows[name].clear()
        for (name, key), row in at.overlay.items():
            if row is None:
                self.rows[name].pop(key, None)
            else:
                self.rows[name][key] = row
        self.committed += 1
        return True

    def _alone(self, number: int) -> bool:
        self.open[number] = _Open()
        self._run(number, "BEGIN")
        for _ in range(self.rng.choice([1, 1, 2, 3, 6])):
            self.statement(number)
        return self.end(number, commit=True)

    # ------------------------------------------------------------------------------------------------ statements

    def statement(self, number: int) -> bool:
        """One random change on a connection; never commits anything."""
        at = self.open[number]
        assert at is not None
        table = self.rng.choice(self.schema.tables)
        if any(o is not at and o is not None and table.name in o.truncated for o in self.open):
            return False
        kind = self.rng.choice(
            ["insert"] * 5 + ["update"] * 6 + ["key"] * 3 + ["delete"] * 3 + ["again", "chain", "swap", "truncate"]
        )
        for text in getattr(self, f"_{kind}")(at, table):
            at.statements += 1
            self._run(number, text)
        return False

    def _insert(self, at: _Open, table: RandomTable) -> Iterator[str]:
        row = {c.name: value_for(self.rng, c) for c in table.columns}
        key = _key(table, row)
        if self._seen(at, table, key) is _ABSENT and self._free(at, table, key):
            yield self._put(at, table, row)

    def _put(self, at: _Open, table: RandomTable, row: Row) -> str:
        at.overlay[table.name, _key(table, row)] = row
        columns = ", ".join(f'"{c}"' for c in row)
        return f"INSERT INTO {self.ref(table.name)} ({columns}) VALUES ({', '.join(map(literal, row.values()))})"

    def _update(self, at: _Open, table: RandomTable) -> Iterator[str]:
        columns = [c for c in table.columns if not c.key]
        key = self._pick(at, table)
        if key is None or not columns:
            return
        chosen = self.rng.sample(columns, self.rng.randint(1, min(2, len(columns))))
        yield self._set(at, table, key, {c.name: value_for(self.rng, c) for c in chosen})

    def _set(self, at: _Open, table: RandomTable, key: Key, changes: Row) -> str:
        old = self._seen(at, table, key)
        assert isinstance(old, dict)
        new = old | changes
        at.overlay[table.name, key] = None
        at.overlay[table.name, _key(table, new)] = new
        settings = ", ".join(f'"{c}" = {literal(v)}' for c, v in changes.items())
        return f"UPDATE {self.ref(table.name)} SET {settings} WHERE {_where(table, key)}"

    def _move(self, at: _Open, table: RandomTable, key: Key, new: Key, **more: Value) -> str:
        return self._set(at, table, key, dict(zip((c.name for c in table.key), new, strict=True)) | more)

    def _key(self, at: _Open, table: RandomTable) -> Iterator[str]:
        key, new = self._pick(at, table), self._vacant(at, table)
        if key is None or new is None:
            return
        others = [c for c in table.columns if not c.key]
        more = {c.name: value_for(self.rng, c) for c in others if self.rng.random() < 0.15}
        yield self._move(at, table, key, new, **more)

    def _chain(self, at: _Open, table: RandomTable) -> Iterator[str]:
        """A→B, then B→C, sometimes with a new row under the key that was left."""
        key = self._pick(at, table)
        for _ in range(self.rng.randint(2, 3)):
            new = self._vacant(at, table)
            if key is None or new is None:
                return
            yield self._move(at, table, key, new)
            if self.rng.random() < 0.3:
                row = {c.name: value_for(self.rng, c) for c in table.columns}
                yield self._put(at, table, row | dict(zip((c.name for c in table.key), key, strict=True)))
            key = new

    def _swap(self, at: _Open, table: RandomTable) -> Iterator[str]:
        """Two rows exchange their keys by way of a key that nothing else has."""
        one, two = self._pick(at, table), self._pick(at, table)
        if one is None or two is None or one == two:
            return
        self._temporary += 1
        between = tuple(
            self._temporary if c.kind == "int" else f"t{self._temporary}" if c.kind == "text" else v
            for c, v in zip(table.key, one, strict=True)
        )
        yield self._move(at, table, one, between)
        yield self._move(at, table, two, one)
        yield self._move(at, table, between, two)

    def _delete(self, at: _Open, table: RandomTable) -> Iterator[str]:
        key = self._pick(at, table)
        if key is not None:
            at.overlay[table.name, key] = None
            yield f"DELETE FROM {self.ref(table.name)} WHERE {_where(table, key)}"

    def _again(self, at: _Open, table: RandomTable) -> Iterator[str]:
        """Deleted, and there again: as it was, or another row."""
        key = self._pick(at, table)
        if key is None:
            return
        old = self._seen(at, table, key)
        assert isinstance(old, dict)
        yield f"DELETE FROM {self.ref(table.name)} WHERE {_where(table, key)}"
        fresh = {c.name: value_for(self.rng, c) for c in table.columns if not c.key}
        yield self._put(at, table, old if self.rng.random() < 0.5 else old | fresh)

    def _truncate(self, at: _Open, table: RandomTable) -> Iterator[str]:
        """Every row of a table that no other open transaction has touched."""
        if self.rng.random() < 0.5 or any(n == table.name for o in self._others(at) for n, _ in o.overlay):
            return
        at.truncated.add(table.name)
        for name, key in list(at.overlay):
            if name == table.name:
                del at.overlay[name, key]
        yield f"TRUNCATE {self.ref(table.name)}"

    # ------------------------------------------------------------------------------------------------ what is there

    def _others(self, at: _Open) -> list[_Open]:
        return [o for o in self.open if o is not None and o is not at]

    def _free(self, at: _Open, table: RandomTable, key: Key) -> bool:
        return not any((table.name, key) in o.overlay for o in self._others(at))

    def _seen(self, at: _Open, table: RandomTable, key: Key) -> object:
        found = at.overlay.get((table.name, key), _ABSENT)
        if found is not _ABSENT:
            return _ABSENT if found is None else found
        return _ABSENT if table.name in at.truncated else self.rows[table.name].get(key, _ABSENT)

    def _pick(self, at: _Open, table: RandomTable) -> Key | None:
        keys = {k for n, k in at.overlay if n == table.name} | set(self.rows[table.name])
        found = [
            k for k in sorted(keys, key=repr)
            if self._seen(at, table, k) is not _ABSENT and self._free(at, table, k)
        ]  # fmt: skip
        return self.rng.choice(found) if found else None

    def _vacant(self, at: _Open, table: RandomTable) -> Key | None:
        for _ in range(4):
            key = tuple(value_for(self.rng, c) for c in table.key)
            if self._seen(at, table, key) is _ABSENT and self._free(at, table, key):
                return key
        return None

    def _run(self, number: int, text: str) -> None:
        self.told.append(f"{number}: {_short(text)}")
        self.execute(number, text)


def initial(rng: Random, schema: RandomSchema, size: int) -> dict[str, dict[Key, Row]]:
    """Rows to begin with."""
    rows: dict[str, dict[Key, Row]] = {t.name: {} for t in schema.tables}
    for _ in range(size):
        table = rng.choice(schema.tables)
        row = {c.name: value_for(rng, c) for c in table.columns}
        rows[table.name].setdefault(_key(table, row), row)
    return rows


def insert_all(schema: RandomSchema, rows: dict[str, dict[Key, Row]], ref: Ref) -> list[str]:
    """One INSERT per table that has rows."""
    statements = []
    for table in schema.tables:
        if rows[table.name]:
            names = ", ".join(f'"{c.name}"' for c in table.columns)
            lines = [", ".join(literal(r[c.name]) for c in table.columns) for r in rows[table.name].values()]
            statements.append(f"INSERT INTO {ref(table.name)} ({names}) VALUES ({'), ('.join(lines)})")
    return statements


def _key(table: RandomTable, row: Row) -> Key:
    return tuple(row[c.name] for c in table.key)


def _where(table: RandomTable, key: Sequence[Value]) -> str:
    return " AND ".join(f'"{c.name}" = {literal(v)}' for c, v in zip(table.key, key, strict=True))


def _short(text: str) -> str:
    for mark in "xyz":
        text = text.replace(mark * LARGE, f"<{mark}>")
    return text
