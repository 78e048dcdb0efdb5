"""One history, lived by real databases: what it is, and what every capture must tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.model.changes import UNCHANGED
from agent.ports import Capture

LARGE = "x" * 9000
BULK = 30

Told = tuple[str, str, Any, Any]


@dataclass
class World:
    """A source before and after its changes. `live` makes the changes happen; `transactions` is what must come of them."""

    capture: Callable[..., Capture]
    live: Callable[[], None]
    snapshot: list[Told]
    transactions: list[list[Told]]


CREATE_POSTGRES = (
    "CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, notes text, credit numeric(12,2), since date,"
    " active boolean)",
    "ALTER TABLE customer ALTER notes SET STORAGE EXTERNAL",
    "CREATE TABLE line (inv int, no int, text text, PRIMARY KEY (inv, no))",
)
CREATE_MARIADB = (
    "CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, notes text, credit decimal(12,2), since date,"
    " active bit(1))",
    "CREATE TABLE line (inv int, no int, text text, PRIMARY KEY (inv, no))",
)
FILL = (
    "INSERT INTO customer VALUES (1, 'Acme', repeat('x', 9000), 100.5, '2024-02-29', {yes}),"
    " (2, 'Bolt', repeat('x', 9000), NULL, NULL, {no})",
    "INSERT INTO line VALUES (1, 1, 'first')",
)
# A list is one transaction.
LIVE: tuple[tuple[str, ...], ...] = (
    (
        "INSERT INTO customer VALUES (3, 'Cärl 😀', NULL, -0.1, '1969-12-31', {yes})",
        "INSERT INTO line VALUES (3, 1, '')",
    ),
    ("UPDATE customer SET name = 'Acme Ltd' WHERE id = 1",),
    ("UPDATE customer SET id = 20 WHERE id = 2",),
    ("DELETE FROM customer WHERE id = 3", "DELETE FROM line WHERE inv = 3"),
    ("TRUNCATE TABLE line",),
    ("INSERT INTO line VALUES " + ", ".join(f"(9, {n}, 'line {n}')" for n in range(1, BULK + 1)),),
)


def snapshot(yes: str, no: str) -> list[Told]:
    """The rows before; yes and no: how a true and a false `active` are printed."""
    return [
        ("customer", "r", None, ("1", "Acme", LARGE, "100.50", "2024-02-29", yes)),
        ("customer", "r", None, ("2", "Bolt", LARGE, None, None, no)),
        ("line", "r", None, ("1", "1", "first")),
    ]


def transactions(yes: str, no: str, *, whole: bool) -> list[list[Told]]:
    """The changes. whole: the source sends all of a row, old and new; else only old keys, and no large value untouched."""
    large = LARGE if whole else UNCHANGED

    def old(*values: str | None, keys: int = 1) -> tuple[str | None, ...]:
        return values if whole else tuple(v if i < keys else None for i, v in enumerate(values))

    acme = ("1", "Acme", LARGE, "100.50", "2024-02-29", yes)
    carl = ("3", "Cärl 😀", None, "-0.10", "1969-12-31", yes)
    return [
        [("customer", "c", None, carl), ("line", "c", None, ("3", "1", ""))],
        [("customer", "u", acme if whole else None, ("1", "Acme Ltd", large, "100.50", "2024-02-29", yes))],
        [("customer", "u", old("2", "Bolt", LARGE, None, None, no), ("20", "Bolt", large, None, None, no))],
        [("customer", "d", old(*carl), None), ("line", "d", old("3", "1", "", keys=2), None)],
        [("line", "t", None, None)],
        [("line", "c", None, ("9", str(n), f"line {n}")) for n in range(1, BULK + 1)],
    ]
