"""The book and the activity upon it."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg.rows import scalar_row

from sandbox.legacy import __main__ as cli
from sandbox.legacy.activity import Activity
from sandbox.legacy.book import Size, create, load
from sandbox.legacy.bulk import Bulk, huge
from sandbox.legacy.oddities import KINDS, ODD_TEXT, Kind, cure, poison
from sandbox.legacy.operations import CUSTOMERS, DRAFTS, OPERATIONS, PAYMENTS, POSTED
from tests.integration.sandbox_legacy.support import contents, violations


def _one(conn: psycopg.Connection, sql: str) -> object:
    return conn.cursor(row_factory=scalar_row).execute(sql).fetchone()


def test_the_same_seed_makes_the_same_book_and_another_seed_another(legacy: psycopg.Connection) -> None:
    first = contents(legacy)
    create(legacy)
    load(legacy, seed=1, size=Size(120, 160))
    assert contents(legacy) == first
    create(legacy)
    load(legacy, seed=2, size=Size(120, 160))
    assert contents(legacy)["arinvl"] != first["arinvl"]
    assert violations(legacy) == {}


@pytest.mark.parametrize(
    ("size", "low", "high"), [("tiny", 300, 600), ("small", 1_800, 2_200), ("medium", 95_000, 105_000)]
)
def test_a_size_is_about_what_it_says(legacy: psycopg.Connection, size: str, low: int, high: int) -> None:
    create(legacy)
    assert low <= sum(load(legacy, seed=3, size=size).values()) <= high
    assert violations(legacy) == {}


def test_every_table_has_a_primary_key_but_the_audit_log(legacy: psycopg.Connection) -> None:
    keyless = legacy.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'fin'::regnamespace AND relkind = 'r'"
        " AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)"
    ).fetchall()
    assert keyless == [("audlog",)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_old_system_keeps_its_rules_at_every_commit(
    legacy: psycopg.Connection, new_database: str, seed: int
) -> None:
    with Activity(new_database, seed=seed, connections=4) as activity:
        for _ in range(40):
            for _ in range(10):
                step = activity.step()
            assert violations(legacy) == {}, step
        totals = activity.finish()
    assert violations(legacy) == {}
    assert totals.committed + totals.rolled_back >= 400
    assert totals.rows > totals.committed


def test_the_same_seed_does_the_same_to_the_same_book(legacy: psycopg.Connection, new_database: str) -> None:
    with Activity(new_database, seed=5) as activity:
        activity.steps(150)
    first = contents(legacy)
    create(legacy)
    load(legacy, seed=1, size=Size(120, 160))
    with Activity(new_database, seed=5) as activity:
        activity.steps(150)
    assert contents(legacy) == first


@pytest.mark.parametrize(
    "names", [CUSTOMERS, DRAFTS, POSTED, PAYMENTS], ids=["customers", "drafts", "posted", "payments"]
)
def test_a_subset_of_operations_is_all_that_happens(
    legacy: psycopg.Connection, new_database: str, names: tuple[str, ...]
) -> None:
    chosen = ("draft_new", *names) if names is POSTED else names
    with Activity(new_database, seed=7, weights=chosen, rolled_back=0) as activity:
        totals = activity.steps(80)
    assert set(totals.operations) <= set(chosen)
    assert totals.rolled_back == 0
    assert violations(legacy) == {}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_keeps_the_rules_alone(
    legacy: psycopg.Connection, new_database: str, name: str
) -> None:
    others = dict.fromkeys(("draft_new", "post", "payment_new"), 0.5)
    with Activity(new_database, seed=11, weights={**others, name: 3}, rolled_back=0) as activity:
        for _ in range(200):
            if activity.totals.operations.get(name, 0) >= 5:
                break
            activity.step()
    assert activity.totals.operations[name] >= 5
    assert violations(legacy) == {}


def test_what_is_rolled_back_leaves_no_trace(legacy: psycopg.Connection, new_database: str) -> None:
    before = contents(legacy)
    with Activity(new_database, seed=9, rolled_back=1) as activity:
        totals = activity.steps(60)
    assert (totals.committed, totals.rows) == (0, 0)
    assert contents(legacy) == before


def test_transactions_stay_open_side_by_side(legacy: psycopg.Connection, new_database: str) -> None:
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    open_now = f"{mine} AND state = 'idle in transaction'"
    with Activity(new_database, seed=2, connections=4) as activity:
        seen = []
        for _ in range(30):
            activity.step()
            seen.append(_one(legacy, open_now))
        activity.finish()
        assert _one(legacy, open_now) == 0
    assert max(map(int, map(str, seen))) >= 2


def test_a_second_activity_goes_on_where_the_first_ended(
    legacy: psycopg.Connection, new_database: str
) -> None:
    for seed in (1, 1, 2):
        with Activity(new_database, seed=seed) as activity:
            activity.steps(60)
    assert violations(legacy) == {}


def test_a_run_keeps_about_its_rate(legacy: psycopg.Connection, new_database: str) -> None:
    with Activity(new_database, seed=1) as activity:
        totals = activity.run(rate=40, seconds=0.5)
    assert 5 <= totals.committed + totals.rolled_back <= 35


def test_bulk_updates_change_mapped_columns_in_transactions_of_ten(legacy: psycopg.Connection) -> None:
    before = _one(legacy, "SELECT pg_current_xact_id()::text::bigint")
    totals = Bulk(legacy, seed=4).change("update", 20)
    after = _one(legacy, "SELECT pg_current_xact_id()::text::bigint")
    assert 150 <= totals.rows <= 200
    assert int(str(after)) - int(str(before)) >= 20
    assert int(str(_one(legacy, "SELECT count(*) FROM fin.arcust WHERE nm LIKE 'Bulk %'"))) > 50


def test_bulk_inserts_never_repeat_a_number(legacy: psycopg.Connection) -> None:
    bulk = Bulk(legacy)
    rows = sum(bulk.change("insert", 5).rows for _ in range(2)) + bulk.at_rate("insert", 1000, 0.1).rows
    assert _one(legacy, "SELECT count(*) FROM fin.arcust WHERE cust_no LIKE 'B%'") == rows


def test_a_huge_transaction_has_as_many_changes_as_asked_for(legacy: psycopg.Connection) -> None:
    assert huge(legacy, 1000) == 1000
    assert huge(legacy, 500, unmapped=True) == 500


@pytest.mark.parametrize("kind", KINDS)
def test_a_poisoned_row_can_be_cured(legacy: psycopg.Connection, kind: Kind) -> None:
    before = contents(legacy)
    oddity = poison(legacy, kind)
    assert contents(legacy) != before
    cure(legacy, oddity)
    assert contents(legacy) == before


def test_odd_text_reaches_the_table_whole(legacy: psycopg.Connection) -> None:
    poison(legacy, "unicode")
    assert _one(legacy, "SELECT rtrim(nm) FROM fin.arcust ORDER BY cust_no LIMIT 1") == ODD_TEXT


def test_the_command_line_makes_a_book_and_works_on_it(
    new_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEGACY_DSN", new_database)
    said = {}
    for verb, *more in (
        ["create"],
        ["load", "--size", "tiny"],
        ["activity", "--seconds", "0.2"],
        ["huge", "--rows", "50"],
    ):
        monkeypatch.setattr("sys.argv", ["legacy", verb, "--dsn-env", "LEGACY_DSN", *more])
        assert cli.main() == 0
        said[verb] = json.loads(capsys.readouterr().out)
    assert said["load"]["arcust"] == 40
    assert said["activity"]["committed"] >= 1
    assert said["huge"] == {"rows": 50}
    monkeypatch.delenv("LEGACY_DSN")
    assert cli.main() == 2


def test_a_long_note_lies_out_of_line_so_that_other_updates_leave_it_out(
    legacy: psycopg.Connection, new_database: str
) -> None:
    with Activity(new_database, seed=1, weights=["customer_note", "draft_note"], rolled_back=0) as activity:
        activity.steps(40)
    for table in ("arcust", "arinvh"):
        long = f"SELECT count(*) FROM fin.{table} WHERE length(note_tx) > 2100"
        assert int(str(_one(legacy, long))) > 0
        assert _one(legacy, f"{long} AND pg_column_toast_chunk_id(note_tx) IS NULL") == 0


def test_an_activity_whose_database_died_is_replaced_by_a_new_one(
    legacy: psycopg.Connection, new_database: str
) -> None:
    activity = Activity(new_database, seed=1)
    activity.step()
    legacy.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(psycopg.OperationalError):
        activity.steps(100)
    activity.close()
    with Activity(new_database, seed=2) as second:
        second.steps(50)
    assert violations(legacy) == {}
