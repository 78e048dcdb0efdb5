"""The PSA's part of an ERP record, written straight into SQLite: what a faultless connector would have left there."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from sandbox.compare.sides import Side
from tests.integration.sandbox_compare.replica import cents, insert


def replicate(conn: sqlite3.Connection, source: Side) -> None:
    """Everything that lives in the PSA database, faultlessly."""
    conn.execute("BEGIN")
    for p in source["projects"]:
        insert(
            conn, "project", project_id=p["number"], name=p["name"], client_reference=p["client"],
            customer_reference=p["customer"], project_stage=p["stage"], project_type=p["type"], project_manager=p["manager"],
            currency_code=p["currency"], budget_hours_hundredths=cents(p["budget_hours"]),
            budget_amount_cents=cents(p["budget_amount"]), start_date=p["start_date"] or None, end_date=p["end_date"] or None,
            is_confidential=p["confidential"], note=p["note"].strip(),
        )  # fmt: skip
    for t in source["tasks"]:
        insert(
            conn, "project_activity", activity_number=t["number"], project_id=t["project"], name=t["name"],
            activity_state=t["state"], is_billable=t["billable"], planned_hours_hundredths=cents(t["planned_hours"]),
            hourly_rate=float(t["rate"]),
        )  # fmt: skip
    for s in source["sheets"]:
        insert(
            conn, "timesheet", timesheet_number=s["number"], project_id=s["project"], resource_id=s["consultant"],
            period_start_date=s["week"], approval_status=s["status"], approved_by=s["approver"],
            total_hours_hundredths=cents(s["hours"]), note=s["note"].strip(),
        )  # fmt: skip
    for line in source["sheet_lines"]:
        insert(
            conn, "timesheet_line", timesheet_number=line["number"], line_number=line["line"], activity_number=line["task"],
            work_date=line["day"] or None, hours_hundredths=cents(Decimal(line["hours"])), hourly_rate=float(line["rate"]),
            is_billable=line["billable"], description=line["description"].strip(),
        )  # fmt: skip
    conn.execute("COMMIT")
