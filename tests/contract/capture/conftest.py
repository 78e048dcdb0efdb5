"""One history, lived by a real PostgreSQL and told by recorded Debezium envelopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from agent.model.changes import UNCHANGED, Column, Relation
from agent.ports import Capture
from tests.support.capturing import source_at
from tests.support.debezium_capture import DebeziumCapture, Topic
from tests.support.debezium_recording import UNAVAILABLE, Recording

CUSTOMER = ("id", "name", "notes", "credit", "since", "active")
LINE = ("inv", "no", "text")
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


SNAPSHOT: list[Told] = [
    ("customer", "r", None, ("1", "Acme", LARGE, "100.50", "2024-02-29", "t")),
    ("customer", "r", None, ("2", "Bolt", LARGE, None, None, "f")),
    ("line", "r", None, ("1", "1", "first")),
]
TRANSACTIONS: list[list[Told]] = [
    [
        ("customer", "c", None, ("3", "Cärl 😀", None, "-0.10", "1969-12-31", "t")),
        ("line", "c", None, ("3", "1", "")),
    ],
    [("customer", "u", None, ("1", "Acme Ltd", UNCHANGED, "100.50", "2024-02-29", "t"))],
    [("customer", "u", ("2", None, None, None, None, None), ("20", "Bolt", UNCHANGED, None, None, "f"))],
    [("customer", "d", ("3", None, None, None, None, None), None), ("line", "d", ("3", "1", None), None)],
    [("line", "t", None, None)],
    [("line", "c", None, ("9", str(n), f"line {n}")) for n in range(1, BULK + 1)],
]


@pytest.fixture
def postgres(new_database: str) -> Iterator[World]:
    with source_at(new_database) as source:
        source.execute(
            "CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, notes text, credit numeric(12,2), since date,"
            " active boolean)",
            "ALTER TABLE customer ALTER notes SET STORAGE EXTERNAL",
            "CREATE TABLE line (inv int, no int, text text, PRIMARY KEY (inv, no))",
            "INSERT INTO customer VALUES (1, 'Acme', repeat('x', 9000), 100.5, '2024-02-29', true),"
            " (2, 'Bolt', repeat('x', 9000), NULL, NULL, false)",
            "INSERT INTO line VALUES (1, 1, 'first')",
        )

        def live() -> None:
            with source.sql.transaction():
                source.execute(
                    "INSERT INTO customer VALUES (3, 'Cärl 😀', NULL, -0.1, '1969-12-31', true)",
                    "INSERT INTO line VALUES (3, 1, '')",
                )
            source.execute(
                "UPDATE customer SET name = 'Acme Ltd' WHERE id = 1",
                "UPDATE customer SET id = 20 WHERE id = 2",
            )
            with source.sql.transaction():
                source.execute("DELETE FROM customer WHERE id = 3", "DELETE FROM line WHERE inv = 3")
            source.execute(
                "TRUNCATE line",
                f"INSERT INTO line SELECT 9, n, 'line ' || n FROM generate_series(1, {BULK}) n",
            )

        def capture(**options: Any) -> Capture:
            return source.capture("customer", "line", **options)

        yield World(capture, live, SNAPSHOT, TRANSACTIONS)


@pytest.fixture
def debezium() -> World:
    recording = Recording()
    for number, (told, mark) in enumerate(zip(SNAPSHOT, ("first", "true", "last"), strict=True)):
        recording.read(told[0], _json(told[0], told[3]), mark)
        assert number < len(SNAPSHOT)
    before = len(recording.messages)
    for txid, told_ones in enumerate(TRANSACTIONS, 770):
        recording.begin(txid)
        if txid == 771:
            recording.message("heartbeat")
        for table, op, old, new in told_ones:
            _record(recording, table, op, old, new)
        recording.end()
    topic = Topic(recording.messages[:before])

    def live() -> None:
        topic.publish(recording.messages[before:])

    def capture(**options: Any) -> Capture:
        return DebeziumCapture(topic, _relations(), **options)

    return World(capture, live, SNAPSHOT, TRANSACTIONS)


@pytest.fixture(params=["postgres", "debezium"])
def world(request: pytest.FixtureRequest) -> World:
    """Each implementation of the port in turn."""
    made: World = request.getfixturevalue(request.param)
    return made


def _relations() -> tuple[Relation, ...]:
    customer = ("integer", "text", "text", "numeric(12,2)", "date", "boolean")
    return (
        Relation(
            1,
            "public",
            "customer",
            tuple(Column(n, t, n == "id") for n, t in zip(CUSTOMER, customer, strict=True)),
        ),
        Relation(
            2, "public", "line", tuple(Column(n, "integer" if n != "text" else n, n != "text") for n in LINE)
        ),
    )


def _record(recording: Recording, table: str, op: str, old: Any, new: Any) -> None:
    key = ("id",) if table == "customer" else ("inv", "no")
    names = CUSTOMER if table == "customer" else LINE
    gone = {n: v for n, v in _json(table, old).items() if n in key} if old else {}
    if op == "c":
        recording.create(table, _json(table, new))
    elif op == "t":
        recording.truncate(table)
    elif op == "d":
        recording.delete(table, gone, names)
    elif old:
        recording.change_key(table, gone, _json(table, new), key)
    else:
        recording.update(table, _json(table, new))


def _json(table: str, row: tuple[Any, ...]) -> dict[str, Any]:
    """Texts as Debezium's JSON has them: numbers, epoch days, booleans, placeholders."""
    days = {"2024-02-29": 19_782, "1969-12-31": -1}
    names = CUSTOMER if table == "customer" else LINE
    image: dict[str, Any] = {}
    for name, value in zip(names, row, strict=True):
        if value is UNCHANGED:
            image[name] = UNAVAILABLE
        elif value is None or name in ("name", "notes", "credit", "text"):
            image[name] = value
        elif name == "since":
            image[name] = days[value]
        else:
            image[name] = value == "t" if name == "active" else int(value)
    return image
