"""Random tables with foreign keys that act, and random transactions over them, for PostgreSQL and for MariaDB."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

# One refusal hides all other actions of a statement, so it is the rare one.
ACTIONS = ("SET NULL", "CASCADE", "SET NULL", "CASCADE", "SET NULL", "CASCADE", "NO ACTION")
_CODES = ("'k'", "'l'", "'m'", "'n'", "'o'", "'p'")
_OTHERWISE = ("'K'", "'l '", "'M'", "'N '")  # the same to a collation that ignores case and padding
_TABLES = 3


@dataclass(frozen=True)
class Key:
    """columns → the parent's."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str

    def ddl(self, name: str) -> str:
        """The constraint."""
        return (f"CONSTRAINT {name} FOREIGN KEY ({', '.join(self.columns)}) REFERENCES {self.parent}"
                f" ({', '.join(self.parent_columns)}) ON DELETE {self.on_delete} ON UPDATE {self.on_update}")  # fmt: skip


@dataclass(frozen=True)
class Table:
    """(id, a, b, c, code, n): id and code are keys others refer to; a, b and c refer. wide: a is part of the primary key."""

    name: str
    wide: bool
    keys: tuple[Key, ...]

    def ddl(self, text: str) -> str:
        """text: the type of codes."""
        constraints = [
            f"PRIMARY KEY ({'a, id' if self.wide else 'id'})", f"CONSTRAINT {self.name}_i UNIQUE (id)",
            f"CONSTRAINT {self.name}_p UNIQUE (a, id)", f"CONSTRAINT {self.name}_c UNIQUE (code)",
            *(key.ddl(f"{self.name}_{n}") for n, key in enumerate(self.keys)),
        ]  # fmt: skip
        nullable = "NOT NULL" if self.wide else "NULL"
        return (f"CREATE TABLE {self.name} (id int NOT NULL, a int {nullable}, b int NULL, c {text} NULL, code {text} NOT NULL,"
                f" n int NULL, {', '.join(constraints)})")  # fmt: skip

    @property
    def mapping(self) -> tuple[str, tuple[str, ...]]:
        """An entity of each row, which shows rows that its keys refer to."""
        listed, joined = ["t.id AS id", "t.a AS a", "t.b AS b", "t.n AS n"], []
        for n, key in enumerate(self.keys):
            on = " AND ".join(f"p{n}.{theirs} = t.{own}" for own, theirs in zip(key.columns, key.parent_columns, strict=True))
            joined.append(f"LEFT JOIN {key.parent} p{n} ON {on}")
            listed.append(f"p{n}.n AS n{n}")
        text = f"SELECT {', '.join(listed)} FROM {self.name} t {' '.join(joined)}"
        return text, ("a", "id") if self.wide else ("id",)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Table, ...]:
    """Each refers to those before it, and to itself only where both servers allow the action."""
    made: list[Table] = []
    for number in range(_TABLES):
        name = f"t{number}"
        wide = number > 0 and draw(st.booleans())
        keys = []
        for columns, theirs in draw(st.sampled_from(_LAYOUTS if number else ((), (), (_B,)))):
            own = number == 0 or draw(st.integers(0, 7)) == 7
            parent = name if own else draw(st.sampled_from([t.name for t in made[-2:]]))
            nullable = not (wide and "a" in columns)
            allowed = ACTIONS if nullable else ("CASCADE", "CASCADE", "CASCADE", "NO ACTION")
            on_update = "NO ACTION" if own else draw(st.sampled_from(allowed))
            keys.append(Key(columns, parent, theirs, draw(st.sampled_from(allowed)), on_update))
        made.append(Table(name, wide, tuple(keys)))
    return tuple(made)


_A, _B, _C, _AB = (("a",), ("id",)), (("b",), ("id",)), (("c",), ("code",)), (("a", "b"), ("a", "id"))
_LAYOUTS = ((_B,), (), (_A, _B), (_B, _C), (_A,), (_A, _B), (_A, _C), (_A, _B, _C), (_AB,), (_AB, _C))


@dataclass(frozen=True)
class Statement:
    """verb: insert, delete, update. rest: what comes after the table's name. ordered: MariaDB goes through the rows so."""

    table: str
    verb: str
    rest: str
    ordered: str = ""

    def sql(self, *, mariadb: bool) -> str:
        """The text, for either server."""
        head = {"insert": "INSERT INTO", "delete": "DELETE FROM", "update": "UPDATE", "replace": "REPLACE INTO"}[self.verb]
        return f"{head} {self.table} {self.rest}" + (self.ordered if mariadb else "")


_ids = st.sampled_from([0, 1, 2, 3, 10, 11, 12])  # those of the beginning, and where renumbering takes them
_some = st.one_of(st.none(), _ids).map(lambda v: "NULL" if v is None else str(v))


def statements(listed: tuple[Table, ...], *, mariadb: bool) -> st.SearchStrategy[Statement]:
    """One statement of a transaction; many are refused by the server, and that is fine."""
    codes = st.sampled_from(_CODES)
    references = st.one_of(st.just("NULL"), codes, st.sampled_from(_OTHERWISE) if mariadb else codes)
    chosen = st.sampled_from([t.name for t in (*listed[:2], *listed)])  # who has no children acts on nobody
    order = st.sampled_from(["", " ORDER BY id", " ORDER BY id DESC"])
    row = st.builds("({}, {}, {}, {}, {}, {})".format, _ids, _some, _some, references, codes, _some)
    insert = st.builds(
        Statement, chosen, st.sampled_from(["insert", "replace"] if mariadb else ["insert"]), row.map("VALUES {}".format)
    )
    where = st.one_of(
        st.integers(0, 3).map("id % 10 = {}".format), st.integers(0, 3).map("id % 10 = {}".format),
        st.integers(0, 3).map("id % 10 >= {}".format), _ids.map("a = {}".format), codes.map("code = {}".format),
    )  # fmt: skip
    delete = st.builds(Statement, chosen, st.just("delete"), where.map("WHERE {}".format), order)
    renumbered = st.one_of(
        st.sampled_from(["id = id + 10", "id = id + 10, n = 7", "id = id - 10"]), st.just("id = id + 20"),
        _ids.map("id = {}".format),
        codes.map("code = {}".format), st.just("code = upper(code)"), st.builds("id = {}, a = {}".format, _ids, _some),
    )  # fmt: skip
    referring = st.one_of(
        _some.map("a = {}".format), _some.map("b = {}".format), references.map("c = {}".format), _some.map("n = {}".format),
        st.builds("a = {}, b = {}".format, _some, _some),
    )  # fmt: skip
    change = st.one_of(renumbered, renumbered, referring)
    update = st.builds(Statement, chosen, st.just("update"), st.builds("SET {} WHERE {}".format, change, where), order)
    return st.one_of(update, delete, update, insert)


@dataclass(frozen=True)
class Story:
    """Tables, what fills them, and transactions."""

    tables: tuple[Table, ...]
    filling: tuple[Statement, ...]
    transactions: tuple[tuple[Statement, ...], ...]
    batch_rows: int


@st.composite
def stories(draw: st.DrawFn, *, mariadb: bool) -> Story:
    """Rows that refer to each other first: parents 0–4 with children that mostly find theirs."""
    made = draw(tables())
    filling = []
    for table in made:
        for number in range(draw(st.integers(3, 5))):
            refer = st.sampled_from(["0", "1", "2"])
            text = draw(st.sampled_from(_CODES[:3] + (_OTHERWISE if mariadb else ())))
            filling.append(Statement(
                table.name, "insert",
                f"VALUES ({number}, {draw(refer)}, {draw(refer)}, {text}, {_CODES[number]}, {number})",
            ))  # fmt: skip
            for less in (draw(refer), "NULL"):  # where the first is refused
                filling.append(Statement(table.name, "insert", f"VALUES ({number}, {less}, NULL, NULL, {_CODES[number]}, 9)"))
    one = st.lists(statements(made, mariadb=mariadb), min_size=3, max_size=8).map(tuple)
    return Story(made, tuple(filling), tuple(draw(st.lists(one, min_size=2, max_size=6))), draw(st.sampled_from([1, 4, 8192])))
