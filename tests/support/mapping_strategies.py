"""Random schemas, mappings over them, data and changes: plain SQL in, plain SQL out, so that any path can be driven by them.

Everything draws from a `random.Random`: hypothesis hands one in that shrinks (`st.randoms(use_true_random=False)`), a soak
run hands in a seeded one. Domains are tiny and NULL is frequent, so that rows meet, part and disappear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from agent.mapping.schema import SourceSchema, SourceTable
from agent.model.changes import Column
from agent.model.mapping import TableName

SCHEMA = "src"
TYPES = {"int": "integer", "text": "text", "num": "numeric(10,2)"}
Value = int | str | Decimal | None


@dataclass(frozen=True)
class RandomColumn:
    """kind is int, text or num. refers_to: (table, column) it was copied from; no foreign key is enforced."""

    name: str
    kind: str
    key: bool = False
    not_null: bool = False
    refers_to: tuple[str, str] | None = None


@dataclass(frozen=True)
class RandomTable:
    """A table of the random schema."""

    name: str
    columns: tuple[RandomColumn, ...]

    @property
    def key(self) -> tuple[RandomColumn, ...]:
        """The primary key columns."""
        return tuple(c for c in self.columns if c.key)


@dataclass(frozen=True)
class RandomSchema:
    """A few tables that refer to each other."""

    tables: tuple[RandomTable, ...]

    def table(self, name: str) -> RandomTable:
        """The table of that name."""
        return next(t for t in self.tables if t.name == name)

    def source_schema(self) -> SourceSchema:
        """As the compiler wants it."""
        return SourceSchema(
            tuple(
                SourceTable(
                    TableName(SCHEMA, t.name),
                    tuple(Column(c.name, TYPES[c.kind], c.key, c.not_null) for c in t.columns),
                )
                for t in self.tables
            ),
            SCHEMA,
        )

    def ddl(self, ref: Callable[[str], str]) -> list[str]:
        """CREATE TABLE statements; `ref` says what a table is called there."""
        statements = []
        for table in self.tables:
            parts = [f'"{c.name}" {TYPES[c.kind]}{" NOT NULL" if c.not_null else ""}' for c in table.columns]
            key = ", ".join(f'"{c.name}"' for c in table.key)
            statements.append(f"CREATE TABLE {ref(table.name)} ({', '.join(parts)}, PRIMARY KEY ({key}))")
        return statements


@dataclass(frozen=True)
class RandomMapping:
    """A mapping's text, the outputs that are its key, and its root table."""

    sql: str
    key: tuple[str, ...]
    root: str


@dataclass(frozen=True)
class Change:
    """One row change. op: insert, update (key kept or changed) or delete. new: all columns by name."""

    table: str
    op: str
    old_key: tuple[Value, ...] | None
    new: dict[str, Value] | None

    def keys(self, table: RandomTable) -> list[tuple[Value, ...]]:
        """Old and new primary key."""
        found = [self.old_key] if self.old_key is not None else []
        if self.new is not None:
            found.append(tuple(self.new[c.name] for c in table.key))
        return list(dict.fromkeys(found))


def source_ref(table: str) -> str:
    """What a table is called in the source itself."""
    return f'"{SCHEMA}"."{table}"'


def literal(value: Value) -> str:
    """An SQL literal."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def change_sql(schema: RandomSchema, change: Change, ref: Callable[[str], str] = source_ref) -> str:
    """The statement that makes the change."""
    table, name = schema.table(change.table), ref(change.table)
    where = ""
    if change.old_key is not None:
        terms = [f'"{c.name}" = {literal(v)}' for c, v in zip(table.key, change.old_key, strict=True)]
        where = " WHERE " + " AND ".join(terms)
    if change.new is None:
        return f"DELETE FROM {name}{where}"
    if change.old_key is None:
        columns = ", ".join(f'"{c}"' for c in change.new)
        return f"INSERT INTO {name} ({columns}) VALUES ({', '.join(map(literal, change.new.values()))})"
    settings = ", ".join(f'"{c}" = {literal(v)}' for c, v in change.new.items())
    return f"UPDATE {name} SET {settings}{where}"


# ---------------------------------------------------------------------------------------------------- schema and data


def random_schema(rng: Random) -> RandomSchema:
    """2–5 tables; later ones refer to earlier ones (or to themselves) by copied key columns."""
    tables: list[RandomTable] = []
    for number in range(rng.randint(2, 5)):
        tables.append(_random_table(rng, f"t{number}", tables))
    return RandomSchema(tuple(tables))


def _random_table(rng: Random, name: str, others: list[RandomTable]) -> RandomTable:
    kinds = ["int", "int", "int", "text"]
    columns = [
        RandomColumn(f"k{i}", rng.choice(kinds), True, True) for i in range(rng.choice([1, 1, 2, 2, 3]))
    ]
    if others and len(columns) > 1 and rng.random() < 0.6:
        # The child of a composite key: its key begins with its parent's.
        parent = rng.choice(others)
        shared = parent.key[: len(columns) - 1]
        columns[: len(shared)] = [
            RandomColumn(f"k{i}", c.kind, True, True, (parent.name, c.name)) for i, c in enumerate(shared)
        ]
    for number in range(rng.randint(0, 2) if others else rng.randint(0, 1)):
        target = rng.choice([*others, RandomTable(name, tuple(columns))])
        not_null = rng.random() < 0.3
        columns += [
            RandomColumn(f"f{number}{c.name}", c.kind, False, not_null, (target.name, c.name))
            for c in target.key
        ]
    for number in range(rng.randint(1, 3)):
        kind = rng.choice(["int", "int", "text", "num"])
        columns.append(RandomColumn(f"v{number}", kind, False, rng.random() < 0.3))
    return RandomTable(name, tuple(columns))


def random_value(rng: Random, column: RandomColumn) -> Value:
    """A value out of a tiny domain."""
    if not column.not_null and rng.random() < 0.2:
        return None
    if column.kind == "int":
        return rng.choice([1, 1, 2, 2, 3])
    if column.kind == "text":
        return rng.choice(["a", "a", "b", ""])
    return Decimal(rng.choice(["1.50", "2.00", "3.25"]))


@dataclass
class Rows:
    """What the tables hold, in step with the changes made."""

    schema: RandomSchema
    rows: dict[str, dict[tuple[Value, ...], dict[str, Value]]] = field(default_factory=dict)

    def random_change(self, rng: Random) -> Change | None:
        """A change that the tables accept, applied to this model; None when the dice found none."""
        table = rng.choice(self.schema.tables)
        rows = self.rows.setdefault(table.name, {})
        op = rng.choice(["insert", "insert", "update", "update", "delete", "key"])
        if op == "insert" or not rows:
            new = {c.name: random_value(rng, c) for c in table.columns}
            return self._put(table, "insert", None, new)
        old_key = rng.choice(sorted(rows, key=repr))
        if op == "delete":
            del rows[old_key]
            return Change(table.name, "delete", old_key, None)
        new = dict(rows[old_key])
        columns = [c for c in table.columns if c.key == (op == "key")]
        for column in rng.sample(columns, rng.randint(1, min(2, len(columns)))) if columns else []:
            new[column.name] = random_value(rng, column)
        return self._put(table, "update", old_key, new)

    def _put(
        self, table: RandomTable, op: str, old_key: tuple[Value, ...] | None, new: dict[str, Value]
    ) -> Change | None:
        rows = self.rows[table.name]
        key = tuple(new[c.name] for c in table.key)
        if key != old_key and key in rows:
            return None
        if old_key is not None:
            del rows[old_key]
        rows[key] = new
        return Change(table.name, op, old_key, new)

    def initial(self, rng: Random) -> list[Change]:
        """Some rows for every table, to begin with."""
        found = []
        for table in self.schema.tables:
            self.rows.setdefault(table.name, {})
            for _ in range(rng.randint(2, 9)):
                found.append(self._put(table, "insert", None, {c.name: random_value(rng, c) for c in table.columns}))
        return [c for c in found if c is not None]

    def random_batch(self, rng: Random, size: int) -> list[Change]:
        """Several changes of one batch, in order."""
        return [c for c in (self.random_change(rng) for _ in range(size)) if c is not None]


# ---------------------------------------------------------------------------------------------------- mappings


@dataclass(frozen=True)
class Item:
    """A FROM item in scope: its alias, its columns as (name, kind), the table behind it, its total order."""

    alias: str
    columns: tuple[tuple[str, str], ...]
    table: RandomTable | None = None

    def order(self) -> list[str]:
        if self.table:
            return [f"{self.alias}.{c.name}" for c in self.table.key]
        return [
            f"{self.alias}.{n}" if kind != "any" else f"{self.alias}.{n}::text" for n, kind in self.columns
        ]


class Generator:
    """Writes one random mapping."""

    def __init__(self, rng: Random, schema: RandomSchema) -> None:
        self.rng, self.schema = rng, schema
        self.count = 0
        self.ctes: list[str] = []

    def mapping(self) -> RandomMapping:
        rng = self.rng
        table = rng.choice(self.schema.tables)
        root = self.item(table)
        items, start, where = [root], f"{self.ref(table)} {root.alias}", []
        lead = ""
        if rng.random() < 0.15:
            # The root need not come first.
            other = self.item(rng.choice(self.schema.tables))
            assert other.table
            lead = f"{self.ref(other.table)} {other.alias} JOIN "
            start += f" ON {self.link(root, [other])}"
            items.append(other)
        joins = []
        for _ in range(rng.choice([0, 1, 1, 2, 2, 3])):
            joins.append(self.join(items, [], 2))
        for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
            where.append(self.condition(items, [], 2))
        grouped = ""
        if rng.random() < 0.1:
            outputs, grouped = self.grouped_root(root, items)
        else:
            outputs = [f"{root.alias}.{c.name} AS id{i}" for i, c in enumerate(table.key)]
            outputs += [f"{self.value(items, [], 2)} AS o{i}" for i in range(rng.randint(1, 4))]
        rng.shuffle(outputs)
        sql = f"SELECT {', '.join(outputs)}\nFROM {lead}{start}" + "".join(f"\n{j}" for j in joins)
        sql += f"\nWHERE {' AND '.join(where)}" if where else ""
        sql = (f"WITH {', '.join(self.ctes)}\n" if self.ctes else "") + sql + grouped
        return RandomMapping(sql, tuple(f"id{i}" for i in range(len(table.key))), table.name)

    def grouped_root(self, root: Item, items: list[Item]) -> tuple[list[str], str]:
        assert root.table
        keys = [f"{root.alias}.{c.name}" for c in root.table.key]
        outputs = [f"{k} AS id{i}" for i, k in enumerate(keys)]
        outputs += [f"{self.aggregate(items)[0]} AS o{i}" for i in range(2)]
        having = f" HAVING count(*) > {self.rng.randint(0, 2)}" if self.rng.random() < 0.5 else ""
        return outputs, f"\nGROUP BY {', '.join(keys)}{having}"

    # ------------------------------------------------------------------------------------------------ sources

    def alias(self) -> str:
        self.count += 1
        return f"a{self.count}"

    def ref(self, table: RandomTable) -> str:
        return f"{SCHEMA}.{table.name}" if self.rng.random() < 0.5 else table.name

    def item(self, table: RandomTable) -> Item:
        return Item(self.alias(), tuple((c.name, c.kind) for c in table.columns), table)

    def join(self, items: list[Item], outer: list[Item], depth: int) -> str:
        """A JOIN clause; its item comes into scope."""
        rng = self.rng
        if depth > 0 and rng.random() < 0.35:
            text, item = self.derived(depth - 1, outer)
        else:
            table = rng.choice(self.schema.tables)
            item = self.item(table)
            text = f"{self.ref(table)} {item.alias}"
        side = "LEFT JOIN" if rng.random() < 0.65 else "JOIN"
        condition = self.link(item, items)
        if rng.random() < 0.25:
            condition += f" AND {self.condition([*items, item], outer, depth - 1)}"
        items.append(item)
        return f"{side} {text} ON {condition}"

    def link(self, item: Item, others: list[Item]) -> str:
        """A condition that joins `item` to one of the others: by reference if there is one, else by any equality."""
        rng = self.rng
        other = rng.choice(others)
        for one, two in ((item, other), (other, item)):
            if one.table and two.table and rng.random() < 0.8:
                pairs = [
                    f"{one.alias}.{c.name} = {two.alias}.{c.refers_to[1]}"
                    for c in one.table.columns
                    if c.refers_to and c.refers_to[0] == two.table.name and self.same_reference(c, one.table)
                ]
                if pairs:
                    return " AND ".join(pairs)
        pairs = [
            f"{item.alias}.{a} = {other.alias}.{b}"
            for a, k in item.columns
            for b, kind in other.columns
            if k == kind != "any"
        ]
        dice = rng.random()
        if not pairs or dice < 0.02:
            return "1 = 1" if rng.random() < 0.3 else f"{item.alias}.{item.columns[0][0]} IS NOT NULL"
        chosen = rng.choice(pairs)
        if dice < 0.1:
            return chosen.replace(" = ", rng.choice([" <= ", " <> ", " IS NOT DISTINCT FROM "]))
        if dice < 0.16:
            return f"({chosen} OR {rng.choice(pairs)})"
        if dice < 0.22:
            left, right = chosen.split(" = ")
            kind = dict(other.columns)[right.split(".")[1]]
            return f"coalesce({left}, {self.constant(kind)}) = coalesce({right}, {self.constant(kind)})"
        return f"{chosen} AND {rng.choice(pairs)}" if dice < 0.3 else chosen

    def same_reference(self, column: RandomColumn, table: RandomTable) -> bool:
        """Columns f0… belong together, and key columns do; of several references the first of its group is taken."""
        group = [
            c for c in table.columns if c.refers_to and c.refers_to[0] == (column.refers_to or ("", ""))[0]
        ]
        return column.name[:2] == group[0].name[:2] or column.key == group[0].key is True

    def derived(self, depth: int, outer: list[Item]) -> tuple[str, Item]:
        """A sub-query in FROM, plain or grouped, sometimes as a CTE; within a sub-query it may be correlated too."""
        rng = self.rng
        item = self.item(rng.choice(self.schema.tables))
        items = [item]
        assert item.table
        start = f"{self.ref(item.table)} {item.alias}"
        correlated = bool(outer) and rng.random() < 0.3
        joins = [self.join(items, [], depth) for _ in range(rng.choice([0, 0, 1, 1]))]
        body = f"FROM {start} {' '.join(joins)}"
        terms = [self.link(item, outer)] if correlated else []
        if rng.random() < 0.4:
            terms.append(self.condition(items, outer if correlated else [], depth))
        body += f" WHERE {' AND '.join(terms)}" if terms else ""
        outputs, kinds = [], []
        columns = [(f"{i.alias}.{n}", k) for i in items for n, k in i.columns]
        picked = rng.sample(columns, min(len(columns), rng.randint(1, 3)))
        for number, (text, kind) in enumerate(picked):
            outputs.append(f"{text} AS c{number}")
            kinds.append((f"c{number}", kind))
        if rng.random() < 0.65:
            for number in range(rng.randint(1, 2)):
                text, kind = self.aggregate(items)
                outputs.append(f"{text} AS g{number}")
                kinds.append((f"g{number}", kind))
            body += f" GROUP BY {', '.join(t for t, _ in picked)}"
            if rng.random() < 0.2:
                body += f" HAVING count(*) > {rng.randint(0, 2)}"
        elif rng.random() < 0.5:
            outputs.append(f"{self.value(items, [], depth)} AS x0")
            kinds.append(("x0", "any"))
        text, alias = f"SELECT {', '.join(outputs)} {body}", self.alias()
        made = Item(alias, tuple(kinds))
        if not correlated and rng.random() < 0.25:
            self.ctes.append(f"w{alias} AS ({text})")
            return f"w{alias} {alias}", made
        return f"({text}) {alias}", made

    # ------------------------------------------------------------------------------------------------ values

    def constant(self, kind: str) -> str:
        if kind == "text":
            return self.rng.choice(["'a'", "'a'", "'b'", "''"])
        return "true" if kind == "bool" else str(self.rng.choice([1, 1, 2, 2, 3]))

    def columns(self, items: list[Item], kind: str) -> list[str]:
        return [f"{i.alias}.{n}" for i in items for n, k in i.columns if k == kind]

    def column(self, items: list[Item], outer: list[Item], kind: str) -> str:
        pool = self.columns(items, kind)
        if outer and (not pool or self.rng.random() < 0.2):
            pool = self.columns(outer, kind) or pool
        return self.rng.choice(pool) if pool else self.constant(kind)

    def value(self, items: list[Item], outer: list[Item], depth: int) -> str:
        """Any output value, as text (so that each is comparable and prints alike)."""
        rng = self.rng
        dice = rng.random()
        if depth > 0 and dice < 0.15:
            return self.child_list([*items, *outer], depth - 1)
        if depth > 0 and dice < 0.3:
            return self.scalar([*items, *outer], depth - 1)
        if depth > 0 and dice < 0.38:
            return f"CASE WHEN {self.condition(items, outer, depth - 1)} THEN 'yes' ELSE 'no' END"
        if depth > 0 and dice < 0.44:
            return f"({self.condition(items, outer, depth - 1)})"
        if depth > 0 and dice < 0.46:
            return f"CASE ({self.condition(items, outer, depth - 1)}) WHEN false THEN 'no' ELSE 'other' END"
        everything = [f"{i.alias}.{n}" for i in items for n, _ in i.columns]
        if dice < 0.6:
            return rng.choice(everything)
        return self.text(items, outer) if dice < 0.8 else self.number(items, outer)

    def text(self, items: list[Item], outer: list[Item]) -> str:
        column = self.column(items, outer, "text")
        forms = [
            "upper({0})", "rtrim({0})", "{0} || '-' || {1}", "coalesce(nullif(trim({0}), ''), {1})", "substring({0}, 1, 1)",
            "replace({0}, 'a', 'z')", "lpad({0}, 3, '0')", "concat({0}, {1})", "cast({2} AS text)",
            "CASE {0} WHEN 'a' THEN {1} END",
        ]  # fmt: skip
        return self.rng.choice(forms).format(
            column, self.column(items, outer, "text"), self.column(items, outer, "int")
        )

    def number(self, items: list[Item], outer: list[Item]) -> str:
        forms = ["{0} + {1}", "{0} * 2 - {1}", "round({2} / 3, 2)", "coalesce({0}, {1}, 0)", "abs({2})", "{0} % 2",
                 "CASE WHEN {0} > {1} THEN {0} ELSE {2} END", "greatest({0}, {1})", "length({3})"]  # fmt: skip
        ints = self.column(items, outer, "int"), self.column(items, outer, "int")
        return self.rng.choice(forms).format(
            *ints, self.column(items, outer, "num"), self.column(items, outer, "text")
        )

    def aggregate(self, items: list[Item]) -> tuple[str, str]:
        """An aggregate over the items and its kind."""
        ints, texts = self.columns(items, "int"), self.columns(items, "text")
        forms = [("count(*)", "int")]
        if ints:
            one = self.rng.choice(ints)
            forms += [(f"{f}({one})", "int") for f in ("sum", "max", "min", "count")]
            forms += [
                (f"count(DISTINCT {one})", "int"),
                (f"sum({one}) FILTER (WHERE {one} > 1)", "int"),
                (f"coalesce(sum({one}), 0)", "int"),
            ]
        if texts:
            one = self.rng.choice(texts)
            order = ", ".join(o for i in items for o in i.order())
            forms += [
                (f"max({one})", "text"),
                (f"string_agg({one}, ',' ORDER BY {order})", "text"),
                (f"bool_or({one} = 'a')", "bool"),
            ]
        return self.rng.choice(forms)

    # ------------------------------------------------------------------------------------------------ sub-queries

    def block(self, outer: list[Item], depth: int) -> tuple[list[Item], str]:
        """FROM … WHERE … of a correlated sub-query."""
        rng = self.rng
        item = self.item(rng.choice(self.schema.tables))
        items = [item]
        assert item.table
        text = f"{self.ref(item.table)} {item.alias}"
        if depth > 0 and rng.random() < 0.15:
            text, made = self.derived(depth - 1, outer)
            items = [made]
        joins = [self.join(items, outer, depth) for _ in range(rng.choice([0, 0, 0, 1]))]
        terms = [self.link(rng.choice(items), outer)] if rng.random() < 0.95 else []
        if rng.random() < 0.3:
            terms.append(self.condition(items, outer, depth))
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        return items, f"FROM {' '.join([text, *joins])}{where}"

    def child_list(self, outer: list[Item], depth: int) -> str:
        items, body = self.block(outer, depth)
        order = ", ".join(o for i in items for o in i.order())
        value = self.value(items, outer, depth)
        function = self.rng.choice(["json", "jsonb"])
        text = f"{function}_agg({function}_build_object('a', {value}) ORDER BY {order})"
        text = f"(SELECT {text} {body})"
        return f"coalesce({text}, '[]'::{function})" if self.rng.random() < 0.5 else text

    def scalar(self, outer: list[Item], depth: int) -> str:
        if self.rng.random() < 0.25:
            target = self.item(self.rng.choice(self.schema.tables))
            assert target.table
            pairs = [f"{target.alias}.{c.name} = {self.column(outer, [], c.kind)}" for c in target.table.key]
            value = self.value([target], outer, depth)
            return (
                f"(SELECT {value} FROM {self.ref(target.table)} {target.alias} WHERE {' AND '.join(pairs)})"
            )
        items, body = self.block(outer, depth)
        return f"(SELECT {self.aggregate(items)[0]} {body})"

    # ------------------------------------------------------------------------------------------------ conditions

    def condition(self, items: list[Item], outer: list[Item], depth: int) -> str:
        rng = self.rng
        dice = rng.random()
        if depth > 0 and dice < 0.12:
            _, body = self.block([*items, *outer], depth - 1)
            return f"{rng.choice(['', 'NOT '])}EXISTS (SELECT 1 {body})"
        if depth > 0 and dice < 0.3:
            return self.in_subquery(items, outer, depth - 1)
        if depth > 0 and dice < 0.42:
            word = rng.choice(["AND", "OR"])
            return f"({self.condition(items, outer, depth - 1)} {word} {self.condition(items, outer, depth - 1)})"
        if depth > 0 and dice < 0.47:
            return f"NOT ({self.condition(items, outer, depth - 1)})"
        return self.comparison(items, outer, depth)

    def in_subquery(self, items: list[Item], outer: list[Item], depth: int) -> str:
        rng = self.rng
        kind = rng.choice(["int", "int", "text"])
        correlated = rng.random() < 0.5
        scope = [*items, *outer]
        if correlated:
            inner, body = self.block(scope, depth)
        else:
            item = self.item(rng.choice(self.schema.tables))
            assert item.table
            inner = [item]
            body = f"FROM {self.ref(item.table)} {item.alias} "
            body += " ".join(self.join(inner, [], depth) for _ in range(rng.choice([0, 0, 1])))
        word = rng.choice(["IN", "IN", "NOT IN"])
        left, right = self.column(items, outer, kind), self.column(inner, [], kind)
        if depth > 0 and kind == "int" and rng.random() < 0.1:
            left = self.count_of(scope, depth - 1)
        if rng.random() < 0.15:
            left = f"({left}, {self.column(items, outer, 'int')})"
            return f"{left} {word} (SELECT {right}, {self.column(inner, [], 'int')} {body})"
        group = ""
        if "." in right and rng.random() < 0.15:
            group = f" GROUP BY {right} HAVING count(*) > {rng.randint(0, 1)}"
        return f"{left} {word} (SELECT {right} {body}{group})"

    def comparison(self, items: list[Item], outer: list[Item], depth: int) -> str:
        rng = self.rng
        kind = rng.choice(["int", "int", "text"])
        one = self.column(items, outer, kind)
        other = self.column(items, outer, kind) if rng.random() < 0.3 else self.constant(kind)
        columns = [f"{i.alias}.{n}" for i in items for n, _ in i.columns]
        low = self.constant(kind)
        forms = [
            f"{one} = {other}", f"{one} <> {other}", f"{one} >= {other}", f"{one} IS DISTINCT FROM {other}",
            f"{one} <= {other}", f"({one} <> {other} OR {rng.choice(columns)} IS NULL)",
            f"{rng.choice(columns)} IS NULL", f"{rng.choice(columns)} IS NOT NULL", f"coalesce({one}, {low}) = {other}",
            f"{one} BETWEEN {low} AND {other}", f"{one} IN ({low}, {other})", f"({one} = {other}) IS NOT TRUE",
        ]  # fmt: skip
        if depth > 0 and rng.random() < 0.1:
            return f"coalesce({self.count_of([*items, *outer], depth - 1)}, 0) > {rng.randint(0, 2)}"
        return rng.choice(forms)

    def count_of(self, outer: list[Item], depth: int) -> str:
        _, body = self.block(outer, depth)
        return f"(SELECT count(*) {body})"


def random_mapping(rng: Random, schema: RandomSchema) -> RandomMapping:
    """A mapping over the supported constructs, all of them combined."""
    return Generator(rng, schema).mapping()
