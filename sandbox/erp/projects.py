"""The rules of projects, their activities and time sheets: references, approval, corrections while the period is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.erp.errors import Refused, infolog
from sandbox.erp.refusals import dependent, unrelated
from sandbox.erp.schema import SetSchema, cents
from sandbox.erp.sets import ACTIVITIES, PROJECTS, SHEET_LINES, SHEETS
from sandbox.erp.state import Key, State, Unit

Fields = dict[str, Any]
Rule = Callable[[Key, Fields, Unit], None]


class Projects:
    """Rules by set, as in Business. period_open: refuses a set's write for a day in a closed period."""

    def __init__(self, state: State, period_open: Callable[[SetSchema, str], None]) -> None:
        self.state = state
        self._period_open = period_open
        self.create: dict[str, Rule] = {
            PROJECTS.name: self._nothing,
            ACTIVITIES.name: self._activity,
            SHEETS.name: self._sheet_created,
            SHEET_LINES.name: self._line,
        }
        self.patch: dict[str, Rule] = {**self.create, SHEETS.name: self._sheet_changed}
        self.delete: dict[str, Rule] = {
            PROJECTS.name: self._project_deleted,
            ACTIVITIES.name: self._activity_deleted,
            SHEETS.name: self._sheet_deleted,
            SHEET_LINES.name: self._line,
        }

    def finish(self, unit: Unit) -> None:
        """An approved sheet that was touched carries the sum of its lines."""
        touched = {key for table, key, _, _ in unit.undo if table.schema is SHEETS}
        touched |= {key[:-1] for table, key, _, _ in unit.undo if table.schema is SHEET_LINES}
        for key in sorted(touched):
            sheet = self._sheets.get(key)
            if sheet is not None and sheet.fields["ApprovalStatus"] == "Approved":
                self._total_matches(key, sheet.fields)

    # ------------------------------------------------------------------------------------------------ projects

    def _nothing(self, key: Key, fields: Fields, unit: Unit) -> None:
        pass

    def _related(self, schema: SetSchema, name: str, fields: Fields, to: SetSchema) -> None:
        value = fields.get(name)
        if value and (value.upper(),) not in self.state.tables[to.name].rows:
            raise unrelated(schema, name, value, to)

    def _unused(self, schema: SetSchema, name: str, key: Key, by: SetSchema) -> None:
        if any(row.fields[name].upper() == key[0] for row in self.state.tables[by.name].rows.values()):
            raise dependent(schema, by)

    def _project_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._unused(PROJECTS, "ProjectID", key, ACTIVITIES)
        self._unused(PROJECTS, "ProjectID", key, SHEETS)

    def _activity(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._related(ACTIVITIES, "ProjectID", fields, PROJECTS)

    def _activity_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._unused(ACTIVITIES, "ActivityNumber", key, SHEET_LINES)

    # ------------------------------------------------------------------------------------------------ time sheets

    @property
    def _sheets(self) -> dict[Key, Any]:
        return self.state.tables[SHEETS.name].rows

    def _sheet_created(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._related(SHEETS, "ProjectID", fields, PROJECTS)
        if fields["ApprovalStatus"] == "Cancelled":
            raise infolog(SHEETS.entity, f"Timesheet {fields['TimesheetNumber']} cannot begin as Cancelled.")
        if fields["ApprovalStatus"] == "Approved":
            self._period_open(SHEETS, fields["PeriodStartDate"])

    def _sheet_changed(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._related(SHEETS, "ProjectID", fields, PROJECTS)
        before = self._sheets[key].fields
        number, was, becomes = before["TimesheetNumber"], before["ApprovalStatus"], fields.get("ApprovalStatus")
        if was == "Approved" and becomes == "Approved":
            raise infolog(SHEETS.entity, f"Timesheet {number} is already approved.")
        if was == "Approved" and becomes not in (None, "Cancelled"):
            raise infolog(SHEETS.entity, f"Timesheet {number} is approved and cannot be set back to {becomes}.")
        if was == "Cancelled" and becomes is None and fields:
            raise _cancelled(SHEETS, number)
        if "Approved" in (was, becomes):
            self._period_open(SHEETS, before["PeriodStartDate"])
            self._period_open(SHEETS, fields.get("PeriodStartDate", before["PeriodStartDate"]))

    def _sheet_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        sheet = self._sheets[key].fields
        if sheet["ApprovalStatus"] == "Approved":
            text = f"Timesheet {sheet['TimesheetNumber']} is approved and cannot be deleted."
            raise infolog(SHEETS.entity, text, "Delete")

    def _line(self, key: Key, fields: Fields, unit: Unit) -> None:
        header = self._sheets.get(key[:-1])
        if header is None:
            raise unrelated(SHEET_LINES, "TimesheetNumber", str(key[0]), SHEETS)
        sheet = header.fields
        if sheet["ApprovalStatus"] == "Cancelled":
            raise _cancelled(SHEET_LINES, sheet["TimesheetNumber"])
        if sheet["ApprovalStatus"] == "Approved":
            self._period_open(SHEET_LINES, sheet["PeriodStartDate"])
        self._related(SHEET_LINES, "ActivityNumber", fields, ACTIVITIES)

    def _total_matches(self, key: Key, sheet: Fields) -> None:
        lines = self.state.tables[SHEET_LINES.name].children(key)
        total, added = cents(sheet["TotalHours"]), sum(cents(line.fields["Hours"]) for line in lines)
        if total != added:
            raise infolog(
                SHEETS.entity,
                f"The total {total / 100:.2f} of timesheet {sheet['TimesheetNumber']} does not match the sum "
                f"{added / 100:.2f} of its lines.",
            )


def _cancelled(schema: SetSchema, number: str) -> Refused:
    return infolog(schema.entity, f"Timesheet {number} is cancelled and cannot be changed.")
