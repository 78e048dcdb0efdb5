"""Random mappings in MariaDB's SQL: the generator of mapping_strategies with that dialect's expressions, and its tables."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.support.mapping_strategies import Generator, Item, RandomMapping, RandomSchema, Rows, random_schema

# How a schema's texts compare; the first is what most old codes are.
TEXTS = {
    "char": "CHAR(4) COLLATE utf8mb4_bin",
    "padded": "VARCHAR(4) COLLATE utf8mb4_bin",
    "exact": "VARCHAR(4) COLLATE utf8mb4_nopad_bin",
}


@dataclass(frozen=True)
class MariaDbSchema:
    """A random schema with the kind of its texts."""

    schema: RandomSchema
    texts: str

    def ddl(self) -> list[str]:
        """CREATE TABLE statements, for a session with ANSI_QUOTES."""
        types = {"int": "INT", "text": TEXTS[self.texts], "num": "DECIMAL(10,2)"}
        statements = []
        for table in self.schema.tables:
            columns = [f'"{c.name}" {types[c.kind]}{" NOT NULL" if c.not_null else ""}' for c in table.columns]
            key = ", ".join(f'"{c.name}"' for c in table.key)
            statements.append(f'CREATE TABLE "{table.name}" ({", ".join(columns)}, PRIMARY KEY ({key}))')
        return statements


def mariadb_schema(rng: Random) -> MariaDbSchema:
    """Two to five tables."""
    return MariaDbSchema(random_schema(rng), rng.choice(["char", "char", "char", "padded", "exact"]))


def mariadb_rows(schema: MariaDbSchema) -> Rows:
    """The model of their rows."""
    return Rows(schema.schema)


def mariadb_mapping(rng: Random, schema: MariaDbSchema) -> RandomMapping:
    """A mapping over the constructs that the dialect supports."""
    return _MariaDb(rng, schema.schema).mapping()


class _MariaDb(Generator):
    def value(self, items: list[Item], outer: list[Item], depth: int) -> str:
        """Any output value."""
        dice = self.rng.random()
        if depth > 0 and dice < 0.18:
            return self.child_list([*items, *outer], depth - 1)
        if depth > 0 and dice < 0.32:
            return self.scalar([*items, *outer], depth - 1)
        if depth > 0 and dice < 0.38:
            return f"({self.condition(items, outer, depth - 1)})"
        if depth > 0 and dice < 0.44:
            return f"IF({self.condition(items, outer, depth - 1)}, 'yes', 'other')"
        if dice < 0.58:
            return self.rng.choice([f"{i.alias}.{n}" for i in items for n, _ in i.columns])
        return self.text(items, outer) if dice < 0.78 else self.number(items, outer)

    def text(self, items: list[Item], outer: list[Item]) -> str:
        forms = [
            "UPPER({0})", "RTRIM({0})", "CONCAT({0}, '-', {1})", "COALESCE(NULLIF(TRIM({0}), ''), {1})", "SUBSTRING({0}, 1, 1)",
            "REPLACE({0}, 'a', 'z')", "LPAD({0}, 3, '0')", "CAST({2} AS CHAR)", "CASE {0} WHEN 'a' THEN {1} END",
            "IFNULL({0}, '-')", "CONCAT_WS('/', {0}, {2}, {1})", "LEFT({0}, 1)",
        ]  # fmt: skip
        columns = [self.column(items, outer, kind) for kind in ("text", "text", "int")]
        return self.rng.choice(forms).format(*columns)

    def number(self, items: list[Item], outer: list[Item]) -> str:
        forms = [
            "{0} + {1}", "{0} * 2 - {1}", "ROUND({2} / 3, 2)", "COALESCE({0}, {1}, 0)", "ABS({2})", "{0} % 2", "{0} DIV 2",
            "IF({0} > {1}, {0}, {2})", "GREATEST({0}, {1})", "CHAR_LENGTH({3})", "{2} * {0}", "CAST({2} AS DECIMAL(6, 1))",
            "TRUNCATE({2}, 1)", "NULLIF({0}, {1})", "ROUND({0} / {1}, 3)", "({0} > {1}) + 1",
        ]  # fmt: skip
        return self.rng.choice(forms).format(*[self.column(items, outer, kind) for kind in ("int", "int", "num", "text")])

    def aggregate(self, items: list[Item]) -> tuple[str, str]:
        """An aggregate over the items and its kind."""
        ints, texts = self.columns(items, "int"), self.columns(items, "text")
        forms = [("COUNT(*)", "int")]
        if ints:
            one = self.rng.choice(ints)
            forms += [(f"{f}({one})", "int") for f in ("SUM", "MAX", "MIN", "COUNT")]
            forms += [(f"COUNT(DISTINCT {one})", "int"), (f"SUM({one} > 1)", "int"), (f"COALESCE(SUM({one}), 0)", "int")]
            forms += [(f"ROUND(AVG({one}), 3)", "num")]
        if texts:
            one = self.rng.choice(texts)
            forms.append((f"MAX({one})", "text"))
            order = self.total_order(items)
            if order:
                forms.append((f"GROUP_CONCAT({one} ORDER BY {order} SEPARATOR ';')", "any"))
        return self.rng.choice(forms)

    def total_order(self, items: list[Item]) -> str:
        """By every key, or every column where there is none; empty when that cannot be ordered by."""
        if any(kind == "any" for i in items if i.table is None for _, kind in i.columns):
            return ""
        return ", ".join(o for i in items for o in i.order())

    def child_list(self, outer: list[Item], depth: int) -> str:
        items, body = self.block(outer, depth)
        order = self.total_order(items)
        if not order:
            return f"(SELECT COUNT(*) {body})"
        text = f"(SELECT JSON_ARRAYAGG(JSON_OBJECT('a', ({self.value(items, outer, depth)})) ORDER BY {order}) {body})"
        return f"COALESCE({text}, '[]')" if self.rng.random() < 0.5 else text

    def link(self, item: Item, others: list[Item]) -> str:
        return super().link(item, others).replace(" IS NOT DISTINCT FROM ", " <=> ")

    def derived(self, depth: int, outer: list[Item]) -> tuple[str, Item]:
        # MariaDB knows no LATERAL.
        return super().derived(depth, [])

    def comparison(self, items: list[Item], outer: list[Item], depth: int) -> str:
        rng = self.rng
        kind = rng.choice(["int", "int", "text"])
        one, low = self.column(items, outer, kind), self.constant(kind)
        other = self.column(items, outer, kind) if rng.random() < 0.3 else self.constant(kind)
        some = rng.choice([f"{i.alias}.{n}" for i in items for n, _ in i.columns])
        forms = [
            f"{one} = {other}", f"{one} <> {other}", f"{one} >= {other}", f"NOT {one} <=> {other}", f"{one} <= {other}",
            f"({one} <> {other} OR {some} IS NULL)", f"{some} IS NULL", f"{some} IS NOT NULL",
            f"COALESCE({one}, {low}) = {other}",
            f"{one} BETWEEN {low} AND {other}", f"{one} IN ({low}, {other})", f"({one} = {other}) IS NOT TRUE",
            f"{one} NOT IN ({low}, {other}, NULL)",
        ]  # fmt: skip
        if kind == "text":
            forms += [f"{one} LIKE 'a%'", f"NULLIF({one}, '') IS NULL", f"RTRIM({one}) = {other}"]
        if depth > 0 and rng.random() < 0.1:
            return f"COALESCE({self.count_of([*items, *outer], depth - 1)}, 0) > {rng.randint(0, 2)}"
        return rng.choice(forms)
