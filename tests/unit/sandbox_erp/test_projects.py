"""Projects, activities and time sheets with lines: references, approval, corrections while the period is open."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.erp import ErpSandbox
from tests.unit.sandbox_erp.client import Client, Reply, changeset, op, rows, statuses

P1 = "/data/Projects('P1')"
A1 = "/data/ProjectActivities('A1')"
SHEET = "/data/TimesheetHeaders('1')"
LINE = "/data/TimesheetLines(TimesheetNumber='1',LineNumber=%d)"
HEADER = {"TimesheetNumber": "1", "ProjectID": "P1", "ResourceID": "R1", "PeriodStartDate": "2026-04-06"}
APRIL = {"dataAreaId": "usmf", "from": "2026-04-01", "to": "2026-04-30"}


async def project(erp: Client) -> None:
    """A project with an activity."""
    assert (await erp.post("/data/Projects", {"ProjectID": "P1", "Name": "Rollout"})).status == 201
    activity = {"ActivityNumber": "A1", "ProjectID": "p1", "Name": "Build", "HourlyRate": 120.1234}
    assert (await erp.post("/data/ProjectActivities", activity)).status == 201


def sheet(*hours: float, total: float | None = None, **more: Any) -> list[bytes]:
    """A time sheet with a line per figure of hours."""
    header = HEADER | {"TotalHours": sum(hours) if total is None else total} | more
    parts = [op("POST", "/data/TimesheetHeaders", header, "0")]
    for at, figure in enumerate(hours, 1):
        line = {"TimesheetNumber": "1", "LineNumber": at, "ActivityNumber": "A1", "Hours": figure, "WorkDate": "2026-04-07"}
        parts.append(op("POST", "/data/TimesheetLines", line, str(at)))
    return parts


async def corrected(erp: Client, hours: float, total: float, **more: Any) -> Reply:
    """Line 1 gets other hours, the header another total, in one changeset."""
    return await erp.batch(changeset(
        op("PATCH", SHEET, {"TotalHours": total} | more, "1", If_Match="*"), op("PATCH", LINE % 1, {"Hours": hours}, "2"),
    ))  # fmt: skip


async def test_a_time_sheet_is_created_whole_and_kept_in_hundredths(erp: Client, sandbox: ErpSandbox) -> None:
    await project(erp)
    assert statuses(await erp.batch(changeset(*sheet(7.5, 0.25)))) == [201, 201, 201]
    read = await erp.get(SHEET + "?$expand=Lines")
    assert read.json["ApprovalStatus"] == "Draft"
    assert [line["Hours"] for line in read.json["Lines"]] == [7.5, 0.25]
    record = sandbox.settings.record
    assert rows(record, "SELECT project_id, approval_status, total_hours_hundredths FROM timesheet") == [("P1", "Draft", 775)]
    assert rows(record, "SELECT activity_number, work_date, hours_hundredths FROM timesheet_line ORDER BY line_number") == [
        ("A1", "2026-04-07", 750), ("A1", "2026-04-07", 25),
    ]  # fmt: skip
    assert rows(record, "SELECT project_stage, project_type, start_date FROM project") == [("Created", "TimeAndMaterial", None)]
    assert rows(record, "SELECT hourly_rate FROM project_activity") == [(120.1234,)]


@pytest.mark.parametrize(
    ("name", "doc", "words"),
    [
        ("Projects", {"ProjectID": "p1", "Name": "x"}, "already exists"),
        ("Projects", {"ProjectID": "P2", "Name": "x", "ProjectStage": "Open"}, "type 'Microsoft.Dynamics.DataEntities.Proj"),
        ("Projects", {"ProjectID": "P2", "Name": "x", "ProjectStage": None}, "expected type"),
        ("Projects", {"ProjectID": "P2", "Name": "x", "dataAreaId": "usmf"}, "does not exist on type"),
        ("Projects", {"ProjectID": "P2", "Name": "x", "BudgetHours": 1.005}, "more than 2 decimals"),
        ("ProjectActivities", {"ActivityNumber": "A2", "ProjectID": "P9", "Name": "x"}, "related table 'Projects'"),
        ("ProjectActivities", {"ActivityNumber": "A2", "Name": "x"}, "'ProjectID' must be filled in"),
        ("TimesheetHeaders", HEADER | {"ProjectID": "P9"}, "related table 'Projects'"),
        ("TimesheetHeaders", HEADER | {"ApprovalStatus": "Cancelled"}, "cannot begin as Cancelled"),
        ("TimesheetHeaders", HEADER | {"PeriodStartDate": None}, "Edm.DateTimeOffset"),
        ("TimesheetHeaders", HEADER | {"ApprovalStatus": "Approved", "TotalHours": 1.0}, "does not match the sum 0.00"),
        ("TimesheetLines", {"TimesheetNumber": "9", "LineNumber": 1, "Hours": 1.0}, "related table 'TimesheetHeaders'"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_by_name(erp: Client, name: str, doc: Any, words: str) -> None:
    await project(erp)
    refused = await erp.post(f"/data/{name}", doc)
    assert (refused.status, words in refused.why) == (400, True), refused.why


async def test_a_line_names_an_activity_that_is_there_or_none(erp: Client) -> None:
    await project(erp)
    await erp.batch(changeset(*sheet(7.5)))
    assert "related table 'ProjectActivities'" in (await erp.patch(LINE % 1, {"ActivityNumber": "A9"})).why
    assert (await erp.patch(LINE % 1, {"ActivityNumber": None})).status == 204
    assert (await erp.get(LINE % 1)).json["ActivityNumber"] == ""


async def test_what_others_name_cannot_be_deleted(erp: Client) -> None:
    await project(erp)
    await erp.batch(changeset(*sheet(7.5)))
    assert "dependent ProjectActivities records" in (await erp.delete(P1, match="*")).why
    assert "dependent TimesheetLines records" in (await erp.delete(A1, match="*")).why
    assert (await erp.delete(SHEET)).status == 428
    assert (await erp.delete(SHEET, match="*")).status == 204
    assert (await erp.get(LINE % 1)).status == 404
    assert (await erp.delete(A1, match="*")).status == 204
    assert (await erp.delete(P1, match="*")).status == 204


async def test_an_approved_sheet_is_corrected_whole_and_never_set_back(erp: Client) -> None:
    await project(erp)
    await erp.batch(changeset(*sheet(7.5)))
    assert (await erp.patch(SHEET, {"ApprovalStatus": "Rejected"}, match="*")).status == 204
    assert (await erp.patch(SHEET, {"ApprovalStatus": "Approved"}, match="*")).status == 204
    assert "already approved" in (await erp.patch(SHEET, {"ApprovalStatus": "Approved"}, match="*")).why
    for status in ("Draft", "Submitted", "Rejected"):
        refused = await erp.patch(SHEET, {"ApprovalStatus": status}, match="*")
        assert f"is approved and cannot be set back to {status}" in refused.why
    assert "is approved and cannot be deleted" in (await erp.delete(SHEET, match="*")).why
    assert "The total 7.50 of timesheet 1 does not match the sum 8.00" in (await erp.patch(LINE % 1, {"Hours": 8})).why
    assert statuses(await corrected(erp, 8.0, 8.5)) == [400], "the whole changeset, at its end"
    assert statuses(await corrected(erp, 8.0, 8.0)) == [204, 204]
    assert (await erp.get(SHEET)).json["ApprovalStatus"] == "Approved"


async def test_a_draft_may_be_wrong(erp: Client) -> None:
    await project(erp)
    assert statuses(await erp.batch(changeset(*sheet(7.5, total=9.0)))) == [201, 201]
    assert "does not match the sum" in (await erp.patch(SHEET, {"ApprovalStatus": "Approved"}, match="*")).why


async def test_a_closed_period_keeps_approved_sheets_as_they_are(erp: Client) -> None:
    await project(erp)
    await erp.batch(changeset(*sheet(7.5)))
    await erp.control("periods", APRIL | {"state": "closed"})
    assert (await erp.patch(SHEET, {"Note": "a draft"}, match="*")).status == 204
    assert "Period closed." in (await erp.patch(SHEET, {"ApprovalStatus": "Approved"}, match="*")).why
    await erp.control("periods", APRIL | {"state": "open"})
    assert (await erp.patch(SHEET, {"ApprovalStatus": "Approved"}, match="*")).status == 204
    await erp.control("periods", APRIL | {"state": "closed"})
    for refused in (
        await erp.patch(SHEET, {"Note": "late"}, match="*"),
        await erp.patch(SHEET, {"PeriodStartDate": "2026-05-04"}, match="*"),
        await erp.patch(SHEET, {"ApprovalStatus": "Cancelled"}, match="*"),
        await erp.patch(LINE % 1, {"Description": "late"}),
        await erp.delete(LINE % 1),
    ):
        assert (refused.status, "Period closed." in refused.why) == (400, True)


async def test_a_cancelled_sheet_rests_until_it_is_opened_again(erp: Client, sandbox: ErpSandbox) -> None:
    await project(erp)
    await erp.batch(changeset(*sheet(7.5, ApprovalStatus="Approved")))
    assert (await erp.patch(SHEET, {"ApprovalStatus": "Cancelled"}, match="*")).status == 204
    assert "is cancelled and cannot be changed" in (await erp.patch(SHEET, {"Note": "x"}, match="*")).why
    assert "is cancelled and cannot be changed" in (await erp.patch(LINE % 1, {"Hours": 1.0})).why
    assert statuses(await corrected(erp, 2.0, 2.0, ApprovalStatus="Draft")) == [204, 204]
    record = sandbox.settings.record
    assert rows(record, "SELECT approval_status, total_hours_hundredths FROM timesheet") == [("Draft", 200)]
    assert rows(record, "SELECT count(*) FROM effect WHERE entity_set LIKE 'Timesheet%'") == [(5,)]


async def test_lines_can_be_asked_for_by_their_sheet(erp: Client) -> None:
    await project(erp)
    await erp.batch(changeset(*sheet(7.5, 1.0)))
    found = await erp.get("/data/TimesheetLines?$filter=TimesheetNumber%20eq%20'1'")
    assert [line["LineNumber"] for line in found.json["value"]] == [1, 2]
