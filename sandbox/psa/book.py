"""Create the PSA tables and load an initial book: the same seed and size give the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from random import Random

from sandbox.psa import values as v
from sandbox.psa.connect import Connection, execute, rows
from sandbox.psa.statements import script, statements

Row = tuple[object, ...]
_TABLES = ("cl", "cn", "en", "tk", "tsh", "tsl")
_BATCH = 2000


@dataclass(frozen=True)
class Size:
    """How big a book is; about twenty rows follow from each client."""

    clients: int
    consultants: int
    sheets: int


SIZES: dict[str, Size] = {
    "tiny": Size(12, 6, 30),  # for tests that look at every row
    "small": Size(100, 30, 260),  # about 2,000 rows
    "medium": Size(4_000, 600, 14_000),  # about 100,000 rows
    "large": Size(40_000, 5_000, 140_000),  # about 1,000,000 rows
}


def create(conn: Connection) -> None:
    """The tables in the connection's database, earlier ones dropped."""
    for table in ("tsl", "tsh", "tk", "en", "cn", "cl", "numhis", "audlog"):
        execute(conn, f"DROP TABLE IF EXISTS {table}")
    for statement in script("schema"):
        execute(conn, statement)


def load(conn: Connection, *, seed: int = 1, size: str | Size = "small") -> dict[str, int]:
    """Fill an empty book in one transaction; returns rows by table."""
    wanted = SIZES[size] if isinstance(size, str) else size
    named = statements("load")
    execute(conn, "START TRANSACTION")
    for table, found in _rows(Random(seed), wanted).items():
        while batch := list(islice(found, _BATCH)):
            with conn.cursor() as cursor:
                cursor.executemany(named[table], batch)
    execute(conn, named["log"])
    conn.commit()
    return {table: int(rows(conn, f"SELECT COUNT(*) FROM {table}")[0][0]) for table in _TABLES}


def _rows(rng: Random, size: Size) -> dict[str, Iterator[Row]]:
    engagements = range(1, size.clients * 2 + 1)
    tasks = {n: rng.randint(1, 5) for n in engagements}
    return {
        "cl": (_client(rng, n) for n in range(1, size.clients + 1)),
        "cn": (_consultant(rng, n) for n in range(1, size.consultants + 1)),
        "en": (_engagement(rng, n, size) for n in engagements),
        "tk": (_task(rng, n, k) for n in engagements for k in range(1, tasks[n] + 1)),
        "tsh": iter(sheets := [_sheet(rng, n, size) for n in range(1, size.sheets + 1)]),
        "tsl": (row for sheet in sheets for row in _lines(rng, sheet, tasks)),
    }


def client_number(number: int) -> str:
    """A client's natural key."""
    return f"K{number:06d}"


def engagement_number(number: int) -> str:
    """An engagement's natural key."""
    return f"E{number:06d}"


def task_number(engagement: int, number: int) -> str:
    """A task's natural key."""
    return f"{engagement_number(engagement)}-{number * 10:03d}"


def _client(rng: Random, n: int) -> Row:
    return (
        client_number(n), v.finance_number(rng, n), v.company(rng), v.city(rng), rng.choice(v.COUNTRIES),
        rng.choice(v.INDUSTRIES), rng.choice("YYYN"), int(rng.random() < 0.1), v.note(rng), v.monday(rng),
    )  # fmt: skip


def _consultant(rng: Random, n: int) -> Row:
    return f"P{n:05d}", v.person(rng), f"p{n}@example.com", rng.choice(v.GRADES), v.rate(rng), int(rng.random() < 0.9)


def _engagement(rng: Random, n: int, size: Size) -> Row:
    start = v.monday(rng)
    return (
        engagement_number(n), client_number(1 + (n - 1) % size.clients), f"P{1 + rng.randrange(size.consultants):05d}",
        v.project(rng), rng.choice("PAAAAHC"), rng.choice("TTF"), rng.choice(("lo", "mid", "hi", None)),
        rng.choice(v.CURRENCIES), v.hours(rng) * 100, v.rate(rng) * 100, start,
        rng.choice((None, start + timedelta(days=200))), int(rng.random() < 0.1), v.note(rng),
    )  # fmt: skip


def _task(rng: Random, n: int, k: int) -> Row:
    return (
        task_number(n, k), engagement_number(n), v.task(rng), rng.choice("OOOC"), rng.choice("YYYN"),
        v.hours(rng) * 10, rng.choice((None, v.rate(rng))), k,
    )  # fmt: skip


def _sheet(rng: Random, n: int, size: Size) -> tuple[int, str, int, object, str, object]:
    state = rng.choice("DDSAAAAR")
    approver = f"P{1 + rng.randrange(size.consultants):05d}" if state in "AR" else None
    # Two of three engagements have time on them; the others may be deleted.
    engagement = 3 * rng.randrange(max(size.clients * 2 // 3, 1)) + rng.randint(1, 2)
    return n, f"P{1 + rng.randrange(size.consultants):05d}", engagement, v.monday(rng), state, approver


def _lines(rng: Random, sheet: tuple[int, str, int, object, str, object], tasks: dict[int, int]) -> Iterator[Row]:
    number, _, engagement, monday, _, _ = sheet
    for line in range(1, rng.randint(2, 7)):
        # Some work for another engagement's task, so that a deleted task leaves lines of other sheets behind.
        of = engagement if rng.random() < 0.9 else rng.choice(list(tasks))
        yield (
            number, line, task_number(of, rng.randint(1, tasks[of])), monday, v.hours(rng),
            rng.choice((None, None, None, v.rate(rng))), int(rng.random() < 0.9), v.work(rng),
        )  # fmt: skip
