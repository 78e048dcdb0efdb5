"""What the comparison sees of projects, tasks and time sheets, and what it must not mistake for a difference."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.compare import Comparison, __main__, compare, render
from sandbox.compare.psa import compare_psa, read_psa
from sandbox.legacy import book as finance
from sandbox.psa.activity import Activity
from sandbox.psa.book import Size, create, load
from sandbox.psa.connect import Connection, connect, execute
from sandbox.stack.mariadb import MariaDb
from tests.integration.sandbox_compare import psa_replica, replica

pytestmark = pytest.mark.stack
RENUMBERINGS = ("engagement_renumber", "task_renumber", "sheet_renumber")


@dataclass
class Estate:
    """A PSA database and the ERP record that agrees with it."""

    dsn: str
    psa: Connection
    file: Path
    erp: sqlite3.Connection

    def compare(self) -> Comparison:
        return compare_psa(self.dsn, self.file)

    def spoil(self, sql: str, *parameters: object) -> None:
        assert self.erp.execute(sql, parameters).rowcount >= 1

    def one(self, sql: str) -> Any:
        """The first value of the ERP's answer."""
        return self.erp.execute(sql).fetchone()[0]


@pytest.fixture
def estate(mariadb: MariaDb, new_mariadb_database: str, tmp_path: Path) -> Iterator[Estate]:
    dsn, file = mariadb.dsn(database=new_mariadb_database), tmp_path / "erp.sqlite"
    with closing(connect(dsn, autocommit=True)) as psa, closing(replica.empty(file)) as erp:
        create(psa)
        load(psa, seed=1, size=Size(25, 10, 60))
        psa_replica.replicate(erp, read_psa(dsn)[0])
        yield Estate(dsn, psa, file, erp)


def test_a_faultless_copy_balances(estate: Estate) -> None:
    found = estate.compare()
    assert found.differences == ()
    assert {row.entity for row in found.rows} == {
        "project", "task", "time sheet draft", "time sheet submitted", "time sheet approved", "time sheet rejected",
        "time line billable", "time line free",
    }  # fmt: skip
    assert all(row.equal and row.source_count for row in found.rows)
    assert sum(row.source_amount for row in found.rows if row.entity.startswith("time sheet")) == sum(
        row.target_amount for row in found.rows if row.entity.startswith("time line")
    )


def test_what_activity_leaves_behind_is_compared_whole(estate: Estate, tmp_path: Path) -> None:
    with Activity(estate.dsn, seed=3) as activity:
        activity.steps(200)
    assert not estate.compare().balanced
    with closing(replica.empty(tmp_path / "again.sqlite")) as again:
        psa_replica.replicate(again, read_psa(estate.dsn)[0])
    assert compare_psa(estate.dsn, tmp_path / "again.sqlite").differences == ()


_SHEET = "timesheet_number = (SELECT min(timesheet_number) FROM timesheet_line)"
SPOILT: dict[str, tuple[str, str]] = {
    "a missing project": ("DELETE FROM project WHERE project_id = 'E000003'", "project E000003: missing"),
    "a project's name": ("UPDATE project SET name = 'X' WHERE project_id = 'E000003'", "project E000003: name is 'X'"),
    "a project's client": ("UPDATE project SET client_reference = 'K9' WHERE project_id = 'E000003'", "client is 'K9'"),
    "a project's customer": ("UPDATE project SET customer_reference = 'c-1' WHERE project_id = 'E000003'", "customer is 'c-1'"),
    "a project's stage": (
        "UPDATE project SET project_stage = 'Cancelled' WHERE project_id = 'E000003'", "stage is 'Cancelled'",
    ),
    "a project's type": (
        "UPDATE project SET project_type = 'FixedPrice' WHERE project_type = 'TimeAndMaterial'", "type is 'FixedPrice'",
    ),
    "a project's manager": ("UPDATE project SET project_manager = '' WHERE project_id = 'E000003'", "manager is ''"),
    "a budget": (
        "UPDATE project SET budget_amount_cents = budget_amount_cents + 1 WHERE project_id = 'E000003'", "budget_amount",
    ),
    "budgeted hours": (
        "UPDATE project SET budget_hours_hundredths = budget_hours_hundredths + 1 WHERE project_id = 'E000003'",
        "budget_hours is",
    ),
    "a project's currency": ("UPDATE project SET currency_code = 'CHF' WHERE project_id = 'E000003'", "currency is 'CHF'"),
    "a project's start": ("UPDATE project SET start_date = '2030-01-01' WHERE project_id = 'E000003'", "start_date is '2030"),
    "a project's end": ("UPDATE project SET end_date = '2030-01-01' WHERE project_id = 'E000003'", "end_date is '2030"),
    "a secret told": ("UPDATE project SET is_confidential = 'No' WHERE is_confidential = 'Yes'", "confidential is 'No'"),
    "a project's note": ("UPDATE project SET note = 'x' WHERE project_id = 'E000003'", "note is 'x'"),
    "a missing task": ("DELETE FROM project_activity WHERE activity_number = 'E000003-010'", "task E000003-010: missing"),
    "a task of another project": (
        "UPDATE project_activity SET project_id = 'E000001' WHERE activity_number = 'E000003-010'", "project is 'E000001'",
    ),
    "a task's name": ("UPDATE project_activity SET name = 'X' WHERE activity_number = 'E000003-010'", "name is 'X'"),
    "a task's state": (
        "UPDATE project_activity SET activity_state = 'Closed' WHERE activity_state = 'Open'", "state is 'Closed'",
    ),
    "a free task": ("UPDATE project_activity SET is_billable = 'No' WHERE is_billable = 'Yes'", "billable is 'No'"),
    "planned hours": (
        "UPDATE project_activity SET planned_hours_hundredths = planned_hours_hundredths + 1", "planned_hours is",
    ),
    "a task's rate": ("UPDATE project_activity SET hourly_rate = hourly_rate + 0.0001", "rate is"),
    "a missing sheet": ("DELETE FROM timesheet WHERE timesheet_number = '3'", "time sheet 3: missing"),
    "an approval too much": ("UPDATE timesheet SET approval_status = 'Approved' WHERE approval_status = 'Draft'", "status is"),
    "an approval too few": ("UPDATE timesheet SET approval_status = 'Draft' WHERE approval_status = 'Approved'", "status is"),
    "a cancelled sheet": ("UPDATE timesheet SET approval_status = 'Cancelled' WHERE timesheet_number = '3'", "status is 'Canc"),
    "another approver": ("UPDATE timesheet SET approved_by = 'P99999' WHERE timesheet_number = '3'", "approver is 'P99999'"),
    "another consultant": (
        "UPDATE timesheet SET resource_id = 'P99999' WHERE timesheet_number = '3'", "consultant is 'P99999'",
    ),
    "another week": ("UPDATE timesheet SET period_start_date = '2030-01-07' WHERE timesheet_number = '3'", "week is '2030"),
    "a sheet's note": ("UPDATE timesheet SET note = 'x' WHERE timesheet_number = '3'", "note is 'x'"),
    "a sheet of another project": (
        "UPDATE timesheet SET project_id = 'NONE' WHERE timesheet_number = '3'", "project is 'NONE'",
    ),
    "a sheet's total": ("UPDATE timesheet SET total_hours_hundredths = total_hours_hundredths + 25", "hours is"),
    "a line's hours": (f"UPDATE timesheet_line SET hours_hundredths = hours_hundredths + 25 WHERE {_SHEET}", "hours is"),
    "a line missing": (f"DELETE FROM timesheet_line WHERE {_SHEET} AND line_number = 1", "lines ["),
    "a line's task": (f"UPDATE timesheet_line SET activity_number = '' WHERE {_SHEET}", "task is ''"),
    "a line's day": (f"UPDATE timesheet_line SET work_date = NULL WHERE {_SHEET}", "day is ''"),
    "a line's rate": (f"UPDATE timesheet_line SET hourly_rate = hourly_rate + 0.0001 WHERE {_SHEET}", "rate is"),
    "a free line": ("UPDATE timesheet_line SET is_billable = 'No' WHERE is_billable = 'Yes'", "billable is 'No'"),
    "a line's text": (f"UPDATE timesheet_line SET description = 'x' WHERE {_SHEET}", "description is 'x'"),
}  # fmt: skip


def test_a_spoilt_copy_is_told_in_words(estate: Estate) -> None:
    for name, (sql, words) in SPOILT.items():
        estate.erp.execute("BEGIN")
        estate.spoil(sql)
        estate.erp.execute("COMMIT")
        found = estate.compare()
        assert any(words in difference for difference in found.differences), (name, found.differences[:5])
        for table in ("project", "project_activity", "timesheet", "timesheet_line"):
            estate.erp.execute(f"DELETE FROM {table}")
        psa_replica.replicate(estate.erp, read_psa(estate.dsn)[0])
    assert estate.compare().balanced


@pytest.mark.parametrize(
    ("table", "key", "status"),
    [("project", "project_id", "project_stage"), ("project_activity", "activity_number", "activity_state"),
     ("timesheet", "timesheet_number", "approval_status")],
)  # fmt: skip
def test_what_is_deleted_may_be_cancelled_but_not_standing(estate: Estate, table: str, key: str, status: str) -> None:
    replica.insert(estate.erp, table, **{key: "GONE", status: "Cancelled"})
    assert estate.compare().balanced
    estate.spoil(f"UPDATE {table} SET {status} = 'Draft' WHERE {key} = 'GONE'")
    assert any("GONE: active at the ERP, but not in the source" in d for d in estate.compare().differences)


def test_what_is_renumbered_keeps_the_number_the_erp_first_learnt(estate: Estate) -> None:
    with Activity(estate.dsn, seed=1, weights=RENUMBERINGS, rolled_back=0) as activity:
        activity.steps(30)
        assert set(activity.totals.operations) == set(RENUMBERINGS)
    assert estate.compare().differences == ()


def test_a_renumbered_sheet_sent_as_a_new_one_is_told(estate: Estate) -> None:
    draft = estate.one("SELECT min(timesheet_number) FROM timesheet WHERE approval_status = 'Draft'")
    execute(estate.psa, "UPDATE tsh SET ts_id = 9999 WHERE ts_id = %s", (draft,))
    execute(estate.psa, "INSERT INTO numhis (tab_cd, old_no, new_no) VALUES ('TS', %s, '9999')", (draft,))
    assert estate.compare().balanced
    columns = "version, project_id, resource_id, period_start_date, approval_status, approved_by, total_hours_hundredths, note"
    estate.spoil(
        f"INSERT INTO timesheet (timesheet_number, {columns}) SELECT '9999', {columns}"
        " FROM timesheet WHERE timesheet_number = ?",
        draft,
    )
    assert any("time sheet 9999: is at the ERP 2 times" in d for d in estate.compare().differences)


def test_a_task_deleted_here_and_still_named_there_is_told(estate: Estate) -> None:
    task = estate.one("SELECT activity_number FROM timesheet_line WHERE activity_number <> ''")
    execute(estate.psa, "DELETE FROM tk WHERE tk_no = %s", (task,))
    said = estate.compare().differences
    assert any(f"task {task}: active at the ERP" in d for d in said)
    assert any(f"task is '{task}' at the ERP, '' in the source" in d for d in said)


def test_the_same_change_accepted_twice_in_a_row_is_told(estate: Estate) -> None:
    def arrives(number: int, body: str, digest: str, key: str = '{"TimesheetNumber":"3"}') -> None:
        replica.insert(
            estate.erp, "arrival", at=number, method="PATCH", entity_set="TimesheetHeaders", record_key=key, accepted=1,
            status=204, body=body, digest=digest,
        )  # fmt: skip

    for number, (body, digest) in enumerate([("{1}", "a"), ("{2}", "b"), ("{1}", "a"), ("{}", "c"), ("{}", "c")]):
        arrives(number, body, digest)
    arrives(6, "{1}", "a", '{"TimesheetNumber":"4"}')
    assert estate.compare().balanced, "A → B → A is no double, nor is guarding two changes of lines"
    arrives(7, "{1}", "a", '{"TimesheetNumber":"4"}')
    assert estate.compare().differences == ('TimesheetHeaders{"TimesheetNumber":"4"}: the same change was accepted 2 times',)


def test_both_sources_make_one_table_and_one_verdict(
    estate: Estate, new_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(new_database, autocommit=True) as conn:
        finance.create(conn)
    both = compare(new_database, estate.file, psa_dsn=estate.dsn)
    assert both.balanced
    lines = render(both).splitlines()
    assert sum(" h " in line for line in lines) == 7
    monkeypatch.setenv("FINANCE", new_database)
    monkeypatch.setenv("PSA", estate.dsn)
    arguments = ["--source-dsn-env", "FINANCE", "--psa-dsn-env", "PSA", "--record", str(estate.file)]
    assert __main__.main(arguments) == 0
    assert "time sheet approved" in capsys.readouterr().out
    estate.spoil("DELETE FROM timesheet WHERE timesheet_number = '3'")
    assert compare(new_database, estate.file).balanced, "what is not asked for is not looked at"
    assert __main__.main(arguments) == 4
    monkeypatch.delenv("PSA")
    assert __main__.main(arguments) == 2
