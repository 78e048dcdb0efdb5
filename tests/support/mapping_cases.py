"""One fixed mapping per rule that the constructs need: text, data before, and batches after which the rule must have held.

Random mappings alone miss some of these rules; each case fails when its rule is broken.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.mapping_strategies import Change, RandomColumn, RandomSchema, RandomTable, Value


def _column(text: str) -> RandomColumn:
    name, kind, *flags = text.split(" ")
    return RandomColumn(name, kind, "key" in flags, bool({"key", "nn"} & set(flags)))


def _table(name: str, *columns: str) -> RandomTable:
    return RandomTable(name, tuple(map(_column, columns)))


LEDGER = RandomSchema(
    (
        _table("h", "co int key", "no int key", "cust int", "amt int", "cur text"),
        _table("l", "co int key", "no int key", "ln int key", "item int", "amt int"),
        _table("c", "id int key", "name text nn", "parent int"),
        _table("x", "id int key", "v int", "nn int nn"),
        _table("r", "cur text key", "d int key", "rate num"),
    )
)


def insert(table: str, *values: Value) -> Change:
    """A new row, values in column order."""
    columns = LEDGER.table(table).columns
    return Change(table, "insert", None, {c.name: v for c, v in zip(columns, values, strict=True)})


def update(table: str, key: tuple[Value, ...], *values: Value) -> Change:
    """A changed row, values in column order (the key may change)."""
    return Change(table, "update", key, insert(table, *values).new)


def delete(table: str, *key: Value) -> Change:
    """A deleted row."""
    return Change(table, "delete", key, None)


@dataclass(frozen=True)
class Case:
    """name says which rule, and what would go wrong."""

    name: str
    sql: str
    before: tuple[Change, ...]
    batches: tuple[tuple[Change, ...], ...]
    key: tuple[str, ...] = ("co", "no")


_H = (insert("h", 1, 1, 1, 0, "EUR"), insert("h", 1, 2, None, 7, "USD"), insert("h", 2, 1, 2, 5, None))

CASES: tuple[Case, ...] = (
    Case(
        "rule 1: a line whose key moves touches the invoice it left and the one it came to",
        "SELECT h.co, h.no, (SELECT sum(l.amt) FROM l WHERE l.co = h.co AND l.no = h.no) AS total FROM h",
        (*_H, insert("l", 1, 1, 1, 1, 10)),
        (
            (update("l", (1, 1, 1), 1, 2, 1, 1, 10),),
            (update("l", (1, 2, 1), 2, 1, 9, 1, 11), delete("h", 1, 2)),
        ),
    ),
    Case(
        "rule 1: a line that moved and was deleted in one batch leaves the first invoice too",
        "SELECT h.co, h.no, (SELECT sum(l.amt) FROM l WHERE l.co = h.co AND l.no = h.no) AS total FROM h",
        (*_H, insert("l", 1, 1, 1, 1, 10)),
        ((update("l", (1, 1, 1), 1, 2, 1, 1, 10), delete("l", 1, 2, 1)),),
    ),
    Case(
        "rule 3: an inner join whose condition reads an outer-joined leaf must not be kept for that leaf",
        "SELECT h.co, h.no, c.name FROM h LEFT JOIN x ON x.id = h.cust JOIN c ON c.id = coalesce(x.v, 1)",
        (*_H, insert("c", 1, "a", None)),
        ((insert("x", 1, 99, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 3: a join that the link needs keeps its outer type",
        "SELECT h.co, h.no, c.name FROM h LEFT JOIN x ON x.id = h.cust LEFT JOIN c ON c.id = coalesce(x.v, 1)",
        _H,
        ((insert("c", 1, "a", None),), (update("c", (1,), 1, "b", None),)),
    ),
    Case(
        "rule 3: a chain of outer joins",
        "SELECT h.co, h.no, p.name FROM h LEFT JOIN c ON c.id = h.cust LEFT JOIN c AS p ON p.id = c.parent",
        (*_H, insert("c", 1, "a", 3), insert("c", 3, "p", None)),
        (
            (update("c", (3,), 3, "q", None),),
            (update("c", (1,), 1, "a", 1),),
            (delete("c", 3),),
            (delete("c", 1),),
        ),
    ),
    Case(
        "rule 4: a row that leaves the view because its outer-joined row appeared",
        "SELECT h.co, h.no FROM h LEFT JOIN x ON x.id = h.cust WHERE x.id IS NULL",
        _H,
        ((insert("x", 1, 1, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 4: a row that leaves the view because the sub-query in its outer join's ON came true",
        "SELECT h.co, h.no FROM h LEFT JOIN c ON c.id = h.cust AND EXISTS (SELECT 1 FROM x WHERE x.id = c.id)"
        " WHERE c.name IS NULL",
        (*_H, insert("c", 1, "a", None)),
        ((insert("x", 1, 1, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 4: a WHERE term whose own sub-query holds the leaf",
        "SELECT h.co, h.no FROM h WHERE NOT EXISTS (SELECT 1 FROM l WHERE l.co = h.co AND l.no = h.no)",
        _H,
        ((insert("l", 1, 1, 1, 1, 1),), (delete("l", 1, 1, 1),)),
    ),
    Case(
        "rule 5: conditions on an aggregate of a derived table do not link",
        "SELECT h.co, h.no, t.total FROM h LEFT JOIN (SELECT l.co, l.no, sum(l.amt) AS total FROM l GROUP BY l.co, l.no"
        " HAVING sum(l.amt) > 5) AS t ON t.co = h.co AND t.no = h.no AND t.total = h.amt",
        (*_H, insert("l", 1, 2, 1, 1, 7)),
        ((insert("l", 1, 2, 2, 1, 1),), (delete("l", 1, 2, 2),), (delete("l", 1, 2, 1),)),
    ),
    Case(
        "rule 5: an output made from an outer-joined source of a derived table does not link",
        "SELECT h.co, h.no, t.k FROM h JOIN (SELECT l.co, l.ln, coalesce(x.v, 0) AS k FROM l LEFT JOIN x ON x.id = l.item)"
        " AS t ON t.co = h.co AND t.k = h.amt",
        (*_H, insert("l", 1, 1, 1, 4, 1)),
        ((insert("x", 4, 99, 1),), (delete("x", 4),)),
    ),
    Case(
        "rule 5: a grouping column made from an outer-joined source does not link",
        "SELECT h.co, h.no, t.n FROM h JOIN (SELECT l.co, coalesce(x.v, 0) AS k, count(*) AS n FROM l LEFT JOIN x"
        " ON x.id = l.item GROUP BY l.co, coalesce(x.v, 0)) AS t ON t.co = h.co AND t.k = h.amt",
        (*_H, insert("l", 1, 1, 1, 4, 1)),
        ((insert("x", 4, 99, 1),), (delete("x", 4),)),
    ),
    Case(
        "rule 6: a correlated sub-query in the ON of a join (the latest rate)",
        "SELECT h.co, h.no, r.rate FROM h LEFT JOIN r ON r.cur = h.cur AND r.d = (SELECT max(r2.d) FROM r AS r2"
        " WHERE r2.cur = h.cur AND r2.d <= h.amt)",
        (*_H, insert("r", "USD", 1, 1)),
        (
            (insert("r", "USD", 5, 2),),
            (delete("r", "USD", 5), insert("r", "USD", 9, 3)),
            (insert("r", "EUR", 0, 4),),
        ),
    ),
    Case(
        "rule 6: a leaf two sub-queries deep, correlated with the root past the middle block",
        "SELECT h.co, h.no, (SELECT count(*) FROM l WHERE l.co = h.co AND EXISTS (SELECT 1 FROM x WHERE x.id = h.cust"
        " AND x.v = l.item)) AS n FROM h",
        (*_H, insert("l", 1, 9, 1, 4, 1)),
        ((insert("x", 1, 4, 1),), (update("x", (1,), 1, 5, 1),), (update("l", (1, 9, 1), 1, 9, 1, 5, 1),)),
    ),
    Case(
        "rule 6: a list of a list, and a code table read inside the list",
        "SELECT h.co, h.no, (SELECT json_agg(json_build_object('n', l.ln, 'c', (SELECT c.name FROM c WHERE c.id = l.item))"
        " ORDER BY l.ln) FROM l WHERE l.co = h.co AND l.no = h.no) AS lines FROM h",
        (*_H, insert("l", 1, 1, 1, 1, 1), insert("l", 1, 1, 2, 2, 1)),
        ((insert("c", 2, "b", None),), (update("c", (2,), 2, "bb", None),), (delete("c", 2),)),
    ),
    Case(
        "rule 7: x IN (SELECT y) is linked by y = x",
        "SELECT h.co, h.no FROM h WHERE h.cust IN (SELECT x.v FROM x)",
        _H,
        ((insert("x", 1, 1, 1),), (update("x", (1,), 1, 2, 1),), (update("x", (1,), 1, None, 1),)),
    ),
    Case(
        "rule 7: a NULL in the list of NOT IN empties the view",
        "SELECT h.co, h.no FROM h WHERE h.cust NOT IN (SELECT x.v FROM x)",
        (*_H, insert("x", 9, 99, 1)),
        ((insert("x", 1, None, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 7: a NULL left of NOT IN counts as soon as the list is not empty",
        "SELECT h.co, h.no FROM h WHERE h.cust NOT IN (SELECT x.nn FROM x)",
        _H,
        ((insert("x", 1, 1, 99),), (delete("x", 1),)),
    ),
    Case(
        "rule 7: IN in the select list is NULL, not false, when the list holds a NULL",
        "SELECT h.co, h.no, h.cust IN (SELECT x.v FROM x) AS known FROM h",
        (*_H, insert("x", 9, 99, 1)),
        ((insert("x", 1, None, 1),), (insert("x", 2, 2, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 7: IN over columns of an outer-joined source in the sub-query",
        "SELECT h.co, h.no, h.cust IN (SELECT x.v FROM l LEFT JOIN x ON x.id = l.item WHERE l.co = h.co) AS known FROM h",
        (*_H, insert("l", 1, 1, 1, 4, 1)),
        ((insert("x", 4, 1, 1),), (update("x", (4,), 4, 2, 1),), (delete("x", 4),)),
    ),
    Case(
        "rule 8: a NOT NULL column of an outer-joined source is NULL when the row is missing",
        "SELECT h.co, h.no FROM h LEFT JOIN x ON x.id = h.cust WHERE x.nn NOT IN (SELECT c.id FROM c WHERE c.parent = h.amt)",
        _H,
        ((insert("c", 1, "a", 7),), (delete("c", 1),), (insert("x", 1, 1, 1), insert("c", 1, "a", 0))),
    ),
    Case(
        "rule 8: a NOT NULL column of an outer-joined source in the list of NOT IN",
        "SELECT h.co, h.no FROM h WHERE h.amt NOT IN (SELECT x.nn FROM l LEFT JOIN x ON x.id = l.item WHERE l.co = h.co)",
        (*_H, insert("l", 1, 1, 1, 4, 1), insert("x", 4, 1, 99)),
        ((delete("x", 4),), (insert("x", 4, 1, 7),)),
    ),
    Case(
        "rule 9: with consent, a table without a link reaches every root",
        "SELECT h.co, h.no, x.v FROM h CROSS JOIN x",
        _H,
        ((insert("x", 1, 1, 1),), (update("x", (1,), 1, 2, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 9: with consent, a global scalar reaches every root",
        "SELECT h.co, h.no, (SELECT max(x.v) FROM x) AS top FROM h",
        _H,
        ((insert("x", 1, 1, 1),), (insert("x", 2, 9, 1),), (delete("x", 2),)),
    ),
    Case(
        "rule 10: an outermost GROUP BY of the key, HAVING dropped for the affected keys",
        "SELECT h.co, h.no, count(l.ln) AS n FROM h LEFT JOIN l ON l.co = h.co AND l.no = h.no GROUP BY h.co, h.no"
        " HAVING count(l.ln) < 2",
        (*_H, insert("l", 1, 1, 1, 1, 1)),
        ((insert("l", 1, 1, 2, 1, 1),), (delete("l", 1, 1, 2),)),
    ),
    Case(
        "rule 11: comma joins are linked by WHERE",
        "SELECT h.co, h.no, c.name FROM c, h WHERE c.id = h.cust AND h.amt >= 0",
        (*_H, insert("c", 1, "a", None)),
        ((update("c", (1,), 1, "b", None),), (delete("c", 1),), (insert("c", 2, "n", None),)),
    ),
    Case(
        "rule 11: a CTE used twice, once inside another",
        "WITH t AS (SELECT l.co, l.no, sum(l.amt) AS s FROM l GROUP BY l.co, l.no), u AS (SELECT t.co, max(t.s) AS m FROM t"
        " GROUP BY t.co) SELECT h.co, h.no, t.s, u.m FROM h LEFT JOIN t ON t.co = h.co AND t.no = h.no LEFT JOIN u"
        " ON u.co = h.co",
        (*_H, insert("l", 1, 1, 1, 1, 10)),
        ((insert("l", 1, 2, 1, 1, 99),), (delete("l", 1, 2, 1),), (update("l", (1, 1, 1), 2, 1, 1, 1, 3),)),
    ),
    Case(
        "rule 12: the link goes into a grouped sub-query before it groups, whatever its own joins are",
        "SELECT h.co, h.no, t.n FROM h LEFT JOIN (SELECT coalesce(x.v, 0) AS k, count(*) AS n FROM l LEFT JOIN x ON"
        " x.id = l.item GROUP BY coalesce(x.v, 0)) AS t ON t.k = h.amt",
        (*_H, insert("l", 1, 1, 1, 4, 1), insert("l", 1, 1, 2, 5, 1)),
        ((insert("x", 4, 7, 1),), (delete("x", 4),)),
    ),
    Case(
        "rule 12: IN under OR and under NOT keeps its meaning as EXISTS",
        "SELECT h.co, h.no, NOT (h.amt IN (SELECT x.v FROM x WHERE x.nn = h.co)) AS a FROM h WHERE h.cur = 'EUR'"
        " OR h.cust IN (SELECT c.parent FROM c) OR NOT (h.amt = 7 AND h.cust IN (SELECT c.parent FROM c))",
        (*_H, insert("x", 1, 7, 1), insert("c", 1, "a", None)),
        (
            (insert("x", 2, None, 1),),
            (insert("c", 2, "b", 5),),
            (delete("c", 1),),
            (delete("c", 2), delete("x", 1)),
        ),
    ),
    Case(
        "a self join: the root's table is a leaf of its own as well",
        "SELECT h.co, h.no, h2.amt AS other FROM h LEFT JOIN h AS h2 ON h2.co = h.co AND h2.no = h.cust",
        (*_H, insert("h", 1, 3, 2, 1, None)),
        (
            (update("h", (1, 2), 1, 2, None, 8, None),),
            (update("h", (1, 2), 1, 4, 3, 8, None),),
            (delete("h", 1, 1),),
        ),
    ),
    Case(
        "a master's parent in the same table, and a row that is its own parent",
        "SELECT c.id, c.name, p.name AS parent FROM c LEFT JOIN c AS p ON p.id = c.parent",
        (insert("c", 1, "a", 1), insert("c", 2, "b", 1)),
        ((update("c", (1,), 1, "z", 1),), (update("c", (1,), 5, "z", 5),), (update("c", (2,), 1, "y", 5),)),
        ("id",),
    ),
    Case(
        "a child list as a grouped sub-query joined by key",
        "SELECT h.co, h.no, coalesce(t.lines, '[]'::jsonb) AS lines FROM h LEFT JOIN (SELECT l.co, l.no,"
        " jsonb_agg(jsonb_build_object('n', l.ln, 'i', c.name) ORDER BY l.ln) AS lines FROM l LEFT JOIN c ON c.id = l.item"
        " GROUP BY l.co, l.no) AS t ON t.co = h.co AND t.no = h.no",
        (*_H, insert("l", 1, 1, 1, 1, 1)),
        (
            (insert("c", 1, "a", None),),
            (insert("l", 1, 1, 2, 1, 1),),
            (update("c", (1,), 1, "b", None),),
            (delete("l", 1, 1, 1), delete("l", 1, 1, 2)),
        ),
    ),
    Case(
        "rule 4: a kept outer join brings what its ON reads of the outer block",
        "SELECT h.co, h.no, (SELECT count(*) FROM l LEFT JOIN x ON x.id = l.item AND x.v = h.amt"
        " WHERE coalesce(x.nn, 1) = h.co) AS n FROM h",
        (*_H, insert("x", 4, 7, 2)),
        (
            (insert("l", 1, 1, 1, 4, 1),),
            (update("l", (1, 1, 1), 1, 1, 1, 5, 1),),
            (update("x", (4,), 5, 0, 2),),
        ),
    ),
    Case(
        "rule 7: a sub-query left of IN has leaves too",
        "SELECT h.co, h.no FROM h WHERE (SELECT count(*) FROM l WHERE l.co = h.co) IN (SELECT x.v FROM x)",
        (*_H, insert("x", 1, 1, 1)),
        ((insert("l", 1, 1, 1, 4, 1),), (delete("l", 1, 1, 1),)),
    ),
    Case(
        "rule 7: what stands left of IN in a kept outer join's ON is read by it",
        "SELECT h.co, h.no, p.name FROM h LEFT JOIN c ON c.id = h.cust LEFT JOIN x ON c.parent IN (SELECT l.amt FROM l"
        " WHERE l.item = x.id AND l.co = h.co) LEFT JOIN c AS p ON p.id = coalesce(x.v, 9)",
        (*_H, insert("c", 1, "a", 3), insert("x", 4, 8, 1), insert("l", 1, 1, 1, 4, 3)),
        ((insert("c", 8, "p", None),), (update("c", (8,), 9, "q", None),), (delete("x", 4),)),
    ),
    Case(
        "rule 5: a derived table that reads an outer block is not put beside it",
        "SELECT h.co, h.no, (SELECT max(c.name) FROM c JOIN (SELECT l.item, sum(l.amt) AS s FROM l WHERE l.co = h.co"
        " GROUP BY l.item) AS t ON t.item = c.id WHERE t.s = h.amt) AS n FROM h",
        (*_H, insert("l", 1, 1, 1, 4, 7)),
        (
            (insert("c", 4, "a", None),),
            (insert("l", 1, 1, 2, 4, 1),),
            (delete("l", 1, 1, 2),),
            (delete("c", 4),),
        ),
    ),
    Case(
        "rule 7: IN after WHEN is a value where CASE compares it",
        "SELECT h.co, h.no, CASE false WHEN h.cust IN (SELECT x.v FROM x) THEN 'no' ELSE 'other' END AS a FROM h",
        (*_H, insert("x", 9, 99, 1)),
        ((insert("x", 1, None, 1),), (delete("x", 1),)),
    ),
    Case(
        "rule 7: an outer join without a condition left of NOT IN",
        "SELECT h.co, h.no FROM h LEFT JOIN x ON 1 = 1 WHERE (x.nn, h.cust) NOT IN (SELECT c.parent, c.id FROM c)",
        _H,
        ((insert("c", 1, "a", 5),), (insert("x", 1, 1, 5),), (delete("c", 1),)),
    ),
)
