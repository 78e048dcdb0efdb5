"""Header and lines that stay open to change: patched in place, cancelled by a delete, opened again."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.flow.apply.conftest import Bench
from tests.flow.apply.outbox import states, want


def sheet(status: str, *hours: str, **changes: Any) -> dict[str, Any]:
    """A time sheet as wanted, one line per figure."""
    lines = [
        {"line_number": i, "task": None, "work_date": "2026-04-07", "hours": h, "hourly_rate": None, "billable": True,
         "description": None}
        for i, h in enumerate(hours, 1)
    ]  # fmt: skip
    return {
        "external_number": "7", "project": "E1", "consultant": "P1", "week": "2026-04-06", "status": status,
        "approved_by": None, "note": None, "total_hours": str(sum(float(h) for h in hours)), "lines": lines,
    } | changes  # fmt: skip


def lines_of(bench: Bench) -> list[tuple[int, str]]:
    """What the target holds: line and hours."""
    (held,) = bench.target.held.values()
    return sorted((line["LineNumber"], str(line["Hours"])) for line in held.lines.values())


async def test_an_approved_sheet_is_corrected_in_place_and_no_document_is_added(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "time_entry", entity, sheet("approved", "7.5", "1"), step="approved")
    await bench.drain(worker)
    want(bench.store, "time_entry", entity, sheet("approved", "8", "2", "3"), step="approved")
    await bench.drain(worker)
    created, patched = [e.call for e in bench.target.effects]
    assert (created.action, patched.action) == ("create", "update")
    assert {str(v) for v in patched.body.values()} == {"13.00"}
    assert patched.token == "v1"
    assert lines_of(bench) == [(1, "8.00"), (2, "2.00"), (3, "3.00")]
    assert states(bench.store) == {"applied": 2}


async def test_a_change_of_lines_alone_is_a_call_and_an_equal_sheet_is_none(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    for moved in (("1", "2"), ("2", "1"), ("2", "1")):
        want(bench.store, "time_entry", entity, sheet("draft", *moved))
        await bench.drain(worker)
    assert [(e.call.action, dict(e.call.body) == {}) for e in bench.target.effects] == [("create", False), ("update", True)]
    assert lines_of(bench) == [(1, "2.00"), (2, "1.00")]
    assert states(bench.store) == {"applied": 2, "suppressed": 1}


async def test_a_deleted_sheet_is_cancelled_and_comes_back_with_the_lines_it_has_then(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "time_entry", entity, sheet("draft", "1", "2", "3"))
    await bench.drain(worker)
    want(bench.store, "time_entry", entity, {}, kind="delete")
    await bench.drain(worker)
    (held,) = bench.target.held.values()
    assert held.native["ApprovalStatus"] == "Cancelled"
    want(bench.store, "time_entry", entity, sheet("draft", "5"))
    await bench.drain(worker)
    assert (held.native["ApprovalStatus"], lines_of(bench)) == ("Draft", [(1, "5.00")])


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "late"])
async def test_an_unknown_outcome_of_a_correction_is_resolved_by_asking(bench: Bench, fault: Any) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "time_entry", entity, sheet("draft", "1", "2"))
    await bench.drain(worker)
    bench.target.faults = [fault]
    want(bench.store, "time_entry", entity, sheet("approved", "4", "2", "3"), step="approved")
    await bench.drain(worker)
    bench.target.do_late()
    assert lines_of(bench) == [(1, "4.00"), (2, "2.00"), (3, "3.00")]
    assert [e.call.action for e in bench.target.effects] == ["create", "update"]


async def test_a_line_names_its_task_by_the_number_the_target_learnt_first(bench: Bench) -> None:
    worker, entity, task = bench.worker(), uuid4(), uuid4()
    named = {"line_number": 1, "task": "T1", "hours": "1", "billable": True}
    refs = [{"field": "lines.1.task", "object": "task", "entity_id": str(task), "deferrable": False}]
    lines = [{"line_number": 9, "task": None, "hours": "1", "billable": True}, named]
    want(bench.store, "time_entry", entity, sheet("draft", lines=lines, total_hours="2"), refs=refs)
    await bench.drain(worker)
    assert states(bench.store) == {"waiting": 1}
    _task(bench, task, "T1")
    await bench.drain(worker)
    _task(bench, task, "T2")
    renumbered = sheet("draft", lines=[lines[0], named | {"task": "T2"}], total_hours="2")
    want(bench.store, "time_entry", entity, renumbered, refs=refs)
    await bench.drain(worker)
    held = bench.target.held_by("TimesheetNumber", "7")
    assert sorted((line["LineNumber"], line["ActivityNumber"]) for line in held.lines.values()) == [(1, "T1"), (9, "")]
    assert len(bench.target.effects) == 2


def _task(bench: Bench, entity: UUID, number: str) -> None:
    task = {"external_number": number, "project": "E1", "name": "Build", "status": "open", "billable": True}
    want(bench.store, "task", entity, task)
