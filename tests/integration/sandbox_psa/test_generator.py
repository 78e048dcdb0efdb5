"""The PSA book and the activity upon it."""

from __future__ import annotations

import json

import pytest

from sandbox.psa import __main__ as cli
from sandbox.psa.activity import Activity
from sandbox.psa.book import create, load
from sandbox.psa.connect import Connection, rows
from sandbox.psa.model import Book
from sandbox.psa.operations import CLIENTS, ENGAGEMENTS, OPERATIONS, SHEETS, TASKS
from tests.integration.sandbox_psa.conftest import SIZE

pytestmark = pytest.mark.stack
_TABLES = ("cl", "cn", "en", "tk", "tsh", "tsl")


def _contents(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table, the time stamps aside."""
    found = {}
    for table in _TABLES:
        columns = [c for c, *_ in rows(conn, f"SHOW COLUMNS FROM {table}") if c not in ("upd_ts",)]
        found[table] = rows(conn, f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2")
    return found


def _orphans(conn: Connection) -> list[tuple[object, ...]]:
    """Lines whose task is another than the model may know: names no task."""
    return rows(conn, "SELECT ts_id FROM tsl WHERE tk_no IS NOT NULL AND tk_no NOT IN (SELECT tk_no FROM tk)")


def test_the_same_seed_makes_the_same_book_and_another_seed_another(psa: Connection) -> None:
    first = _contents(psa)
    create(psa)
    load(psa, seed=1, size=SIZE)
    assert _contents(psa) == first
    create(psa)
    load(psa, seed=2, size=SIZE)
    assert _contents(psa)["tsl"] != first["tsl"]


@pytest.mark.parametrize(("size", "low", "high"), [("tiny", 150, 400), ("small", 1_700, 2_600), ("medium", 60_000, 120_000)])
def test_a_size_is_about_what_it_says(psa: Connection, size: str, low: int, high: int) -> None:
    create(psa)
    assert low <= sum(load(psa, seed=3, size=size).values()) <= high


def test_finance_numbers_are_written_in_every_wrong_way(psa: Connection) -> None:
    written = [number for (number,) in rows(psa, "SELECT fin_no FROM cl") if number is not None]
    assert any(n != n.rstrip() for n in written)
    assert any(n != n.upper() for n in written)
    assert any("-" in n for n in written)
    assert len(written) < SIZE.clients


def test_the_same_seed_does_the_same_to_the_same_book(psa: Connection, dsn: str) -> None:
    with Activity(dsn, seed=5, connections=4) as activity:
        activity.steps(250)
    first = _contents(psa)
    create(psa)
    load(psa, seed=1, size=SIZE)
    with Activity(dsn, seed=5, connections=4) as activity:
        activity.steps(250)
    assert _contents(psa) == first
    assert not _orphans(psa)


def test_the_model_knows_what_the_foreign_keys_did(psa: Connection, dsn: str) -> None:
    with Activity(dsn, seed=8, connections=4) as activity:
        activity.steps(400)
        mine = activity.book
    found = Book.read(psa, 8)
    for book in (mine, found):
        for engagement in book.engagements.values():
            engagement.sheets = True  # once written on, the model takes it for written on for ever
    assert found.clients == mine.clients
    assert found.engagements == mine.engagements
    assert found.tasks == mine.tasks
    assert found.sheets == mine.sheets


@pytest.mark.parametrize("names", [CLIENTS, ENGAGEMENTS, TASKS, SHEETS], ids=["clients", "engagements", "tasks", "sheets"])
def test_a_subset_of_operations_is_all_that_happens(psa: Connection, dsn: str, names: tuple[str, ...]) -> None:
    with Activity(dsn, seed=7, weights=names, rolled_back=0) as activity:
        totals = activity.steps(60)
    assert set(totals.operations) <= set(names)
    assert totals.rolled_back == 0


def test_every_operation_finds_work(psa: Connection, dsn: str) -> None:
    others = dict.fromkeys(("client_new", "engagement_new", "sheet_new", "task_new"), 0.5)
    for name in OPERATIONS:
        with Activity(dsn, seed=11, weights={**others, name: 3}, rolled_back=0) as activity:
            while not activity.totals.operations.get(name):
                activity.step()


def test_what_is_rolled_back_leaves_no_trace(psa: Connection, dsn: str) -> None:
    before = _contents(psa)
    with Activity(dsn, seed=9, rolled_back=1) as activity:
        totals = activity.steps(80)
    assert (totals.committed, totals.rows) == (0, 0)
    assert _contents(psa) == before


def test_the_command_line_makes_a_book_and_works_on_it(
    dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PSA_DSN", dsn)
    said = {}
    for verb, *more in (["create"], ["load", "--size", "tiny"], ["activity", "--seconds", "0.2"]):
        monkeypatch.setattr("sys.argv", ["psa", verb, "--dsn-env", "PSA_DSN", *more])
        assert cli.main() == 0
        said[verb] = json.loads(capsys.readouterr().out)
    assert said["load"]["cl"] == 12
    assert said["activity"]["committed"] >= 1
    monkeypatch.delenv("PSA_DSN")
    assert cli.main() == 2
