"""Foreign keys that act unseen, as the mirror's tables have them: who acts on whom, and which values meet (pure).

MariaDB and MySQL carry out ON DELETE and ON UPDATE below their binary log, so a capture is told of the parent's row only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property

from agent.mirror.tables import MirrorTable
from agent.model.changes import Column, FkAction, ForeignKey, Relation
from agent.model.mapping import TableName

Values = Sequence[str | None]  # of the columns of a Shape, as the mirror prints them
Met = tuple[str, ...]  # the values of a key, so that equal means what the source takes for equal

_TEXTS = ("text", "character varying", "character", "bpchar", '"char"', "name")


class Meeting(Enum):
    """How a source compares the values of one column."""

    EXACT = "exact"
    NUMBER = "number"  # 1.0 is 1
    TEXT = "text"
    ANY_CASE = "any case"

    def sql(self, column: str) -> str:
        """What the mirror compares and indexes; `column` is quoted, and typed as the mirror has it."""
        bare = f"rtrim({column}::text)"
        return {Meeting.TEXT: bare, Meeting.ANY_CASE: f"lower({bare})"}.get(self, column)

    def of(self, value: str) -> str:
        """Equal for values that meet."""
        if self is Meeting.EXACT:
            return value
        if self is Meeting.NUMBER:
            return str(Decimal(value).normalize())
        bare = value.rstrip(" ")
        return bare.lower() if self is Meeting.ANY_CASE else bare


def meeting(column: Column) -> Meeting:
    """How the values of a column are compared. `type_name` is the mirror's.

    Assumed of texts: trailing blanks do not count (every collation but those called nopad and MySQL's _0900_), and case
    does not where the collation says so by its name (_ci). That a collation may also take accented letters for plain ones
    is left out: two keys that differ there may both exist, and to carry out too much is worse.
    """
    base = column.type_name.partition("(")[0].strip()
    if base == "numeric":
        return Meeting.NUMBER
    if base not in _TEXTS:
        return Meeting.EXACT
    collation = column.collation.lower()
    if "nopad" in collation or "_0900_" in collation:
        return Meeting.EXACT
    return Meeting.ANY_CASE if collation.endswith("_ci") else Meeting.TEXT


@dataclass(frozen=True)
class Shape:
    """What of a table matters to foreign keys: its key columns first, then those that refer or are referred to."""

    name: TableName
    columns: tuple[Column, ...]
    keys: int

    def at(self, columns: Iterable[str]) -> tuple[int, ...]:
        """Their places."""
        names = [c.name for c in self.columns]
        return tuple(names.index(c) for c in columns)

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(n for n, c in enumerate(self.columns[: self.keys]) if meeting(c) is Meeting.NUMBER)

    def identity(self, values: Values) -> tuple[str | None, ...]:
        """Which row of the mirror this is: by its typed key, where 1.0 is 1 and everything else is what it looks like."""
        key = values[: self.keys]
        if not self._numbers:
            return tuple(key)
        return tuple(
            Meeting.NUMBER.of(v) if n in self._numbers and v is not None else v for n, v in enumerate(key)
        )


@dataclass(frozen=True, eq=False)
class Link:
    """One foreign key between two tables of the mirror. `*_at`: places of its columns in their Shapes, in one order."""

    child: TableName
    parent: TableName
    columns: tuple[str, ...]
    child_at: tuple[int, ...]
    parent_at: tuple[int, ...]
    meetings: tuple[Meeting, ...]
    on_delete: FkAction
    on_update: FkAction

    def refers_to(self, child: Values) -> Met | None:
        """What a child's row refers to; None where any part is NULL (MATCH SIMPLE): nothing."""
        return self._met(child, self.child_at)

    def referred(self, parent: Values) -> Met | None:
        """What refers to a parent's row refers to this; None: nothing can."""
        return self._met(parent, self.parent_at)

    def _met(self, values: Values, at: tuple[int, ...]) -> Met | None:
        met = []
        for place, how in zip(at, self.meetings, strict=True):
            value = values[place]
            if value is None:
                return None
            met.append(how.of(value))
        return tuple(met)


@dataclass(frozen=True, eq=False)
class Graph:
    """All keys of a source that can be followed, and the tables on either side of them."""

    shapes: dict[TableName, Shape]
    links: tuple[Link, ...]

    @cached_property
    def acting(self) -> dict[TableName, list[Link]]:
        """Parent → the keys that refer to it."""
        found: dict[TableName, list[Link]] = defaultdict(list)
        for link in self.links:
            found[link.parent].append(link)
        return dict(found)

    @cached_property
    def children(self) -> dict[TableName, list[Link]]:
        """Child → its keys."""
        found: dict[TableName, list[Link]] = defaultdict(list)
        for link in self.links:
            found[link.child].append(link)
        return dict(found)

    def referred_columns(self, table: TableName) -> tuple[str, ...]:
        """Those of a parent whose change acts."""
        shape = self.shapes[table]
        places = {at for link in self.acting.get(table, ()) for at in link.parent_at}
        return tuple(c.name for n, c in enumerate(shape.columns) if n in places)

    def by_more_than_key(self, table: TableName) -> bool:
        """Is a table referred to by columns that its key does not hold? Then a key alone does not tell what its row acts on."""
        return any(at >= self.shapes[table].keys for link in self.acting.get(table, ()) for at in link.parent_at)


def graph_of(tables: Iterable[MirrorTable]) -> Graph:
    """The keys whose two tables, with all their columns, are in the mirror; others cannot be followed (see unfollowable)."""
    known = {t.name: t for t in tables}
    pairs = [(t, known[_parent(key)], key) for t in known.values() for key in t.foreign_keys if not _lacks(key, t, known)]
    needed: dict[TableName, dict[str, None]] = defaultdict(dict)
    for child, parent, key in pairs:
        needed[child.name].update(dict.fromkeys(key.columns))
        needed[parent.name].update(dict.fromkeys(key.parent_columns))
    shapes = {}
    for name, columns in needed.items():
        table = known[name]
        others = tuple(c for c in table.columns if c.name in columns and not c.key)
        shapes[name] = Shape(name, table.key + others, len(table.key))
    links = []
    for child, parent, key in pairs:
        at = shapes[child.name].at(key.columns)
        meetings = tuple(meeting(shapes[child.name].columns[n]) for n in at)
        links.append(Link(child.name, parent.name, key.columns, at, shapes[parent.name].at(key.parent_columns), meetings,
                          key.on_delete, key.on_update))  # fmt: skip
    return Graph(shapes, tuple(links))


def unfollowable(relations: Iterable[Relation]) -> list[str]:
    """Foreign keys of captured tables whose actions would go by unseen, one sentence each; such a source must be refused."""
    known = {TableName(r.schema, r.table): {c.name for c in r.columns} for r in relations}
    found = []
    for relation in relations:
        for key in relation.foreign_keys:
            parent = _parent(key)
            what = f"{relation.schema}.{relation.table} ({', '.join(key.columns)}) refers to {parent}"
            lacking = [c for c in key.parent_columns if c not in known.get(parent, ())]
            lacking += [c for c in key.columns if c not in known[TableName(relation.schema, relation.table)]]
            if parent not in known:
                found.append(f"{what}, which is not captured, {_acts(key)}: the source does that without telling")
            elif lacking:
                found.append(f"{what} by columns that are not captured ({', '.join(lacking)}), {_acts(key)}")
    return found


def _acts(key: ForeignKey) -> str:
    rules = [("ON DELETE", key.on_delete), ("ON UPDATE", key.on_update)]
    return " ".join(f"{when} {action.upper()}" for when, action in rules if action != "none")


def _parent(key: ForeignKey) -> TableName:
    return TableName(key.parent_schema, key.parent_table)


def _lacks(key: ForeignKey, child: MirrorTable, known: dict[TableName, MirrorTable]) -> bool:
    parent = known.get(_parent(key))
    if parent is None:
        return True
    there = {c.name for c in parent.columns}
    own = {c.name for c in child.columns}
    return not (there.issuperset(key.parent_columns) and own.issuperset(key.columns))
