"""Projects, tasks and time sheets: a PSA database in MariaDB against the ERP's record, record by record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path

from pymysql.cursors import DictCursor

from sandbox.compare.fields import differing, money, normal
from sandbox.compare.matching import extra, only, reference
from sandbox.compare.result import Comparison, Row, in_words
from sandbox.compare.sides import Numbers, Record, Side, read_target, statements
from sandbox.psa.connect import connect, execute, rows

_SOURCE = ("totals", "projects", "tasks", "sheets", "sheet_lines")
_TARGET = (*_SOURCE, "doubled_writes")
_ORDER = (
    "project", "task", "time sheet draft", "time sheet submitted", "time sheet rejected", "time sheet approved",
    "time line billable", "time line free",
)  # fmt: skip
Lines = Mapping[str, Mapping[int, Record]]


def compare_psa(dsn: str, record: Path) -> Comparison:
    """Everything the PSA database holds, and everything of its kind at the ERP. dsn: mysql://…; raises pymysql.Error."""
    source, numbers = read_psa(dsn)
    target = read_target(record, _TARGET, "psa_target")
    lines = table(source, target)
    differences = [
        *(words for row in lines for words in in_words(row)),
        *_projects(source, target, numbers),
        *_tasks(source, target, numbers),
        *_sheets(source, target, numbers),
        *(
            f"{r['entity_set']}{r['record_key']}: the same change was accepted {r['n'] + 1} times"
            for r in target["doubled_writes"]
        ),
    ]
    return Comparison(tuple(lines), tuple(differences))


def read_psa(dsn: str) -> tuple[Side, Numbers]:
    """The PSA side, as of one moment."""
    named = statements("psa_source")
    with closing(connect(dsn)) as conn:
        execute(conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        former = [(str(t), "", str(now), str(old)) for t, now, old in rows(conn, named["former_numbers"])]
        found: dict[str, list[Record]] = {}
        with conn.cursor(DictCursor) as cursor:
            for name in _SOURCE:
                cursor.execute(named[name])
                found[name] = list(cursor.fetchall())
    return Side(found), Numbers(former)


def table(source: Side, target: Side) -> list[Row]:
    """Counts, money and hours of both sides."""
    nothing = (0, Decimal(0))
    ours = {(r["entity"], r["unit"]): (r["n"], Decimal(r["amount"] or 0)) for r in source["totals"]}
    theirs = {(r["entity"], r["unit"]): (r["n"], money(r["hundredths"] or 0)) for r in target["totals"]}
    keys = sorted(ours.keys() | theirs.keys(), key=lambda key: (_ORDER.index(key[0]), key[1]))
    return [Row(key[0], "", key[1], *ours.get(key, nothing), *theirs.get(key, nothing)) for key in keys]


def _projects(source: Side, target: Side, numbers: Numbers) -> list[str]:
    there, found, taken = _by_number(target["projects"]), list[str](), set[str]()
    for ours in source["projects"]:
        what = f"project {ours['number']}"
        theirs = only(what, numbers.known("EN", "", ours["number"]), there, found, taken)
        if theirs is None:
            continue
        said = {
            **theirs, "budget_hours": money(theirs["budget_hours_hundredths"]),
            "budget_amount": money(theirs["budget_amount_cents"]),
        }  # fmt: skip
        found += differing(what, {name: ours[name] for name in ours if name != "number"}, said)
    return found + extra("project", there, taken)


def _tasks(source: Side, target: Side, numbers: Numbers) -> list[str]:
    there, found, taken = _by_number(target["tasks"]), list[str](), set[str]()
    for ours in source["tasks"]:
        what = f"task {ours['number']}"
        theirs = only(what, numbers.known("TK", "", ours["number"]), there, found, taken)
        if theirs is None:
            continue
        said = {**theirs, "planned_hours": money(theirs["planned_hours_hundredths"])}
        names = ("name", "state", "billable", "planned_hours", "rate")
        found += differing(what, {name: ours[name] for name in names}, said)
        found += reference(what, "project", partial(numbers.known, "EN", ""), ours["project"], theirs["project"])
    return found + extra("task", there, taken)


def _sheets(source: Side, target: Side, numbers: Numbers) -> list[str]:
    there, found, taken = _by_number(target["sheets"]), list[str](), set[str]()
    our_lines, their_lines = _lines(source), _lines(target)
    for ours in source["sheets"]:
        what = f"time sheet {ours['number']}"
        theirs = only(what, numbers.known("TS", "", ours["number"]), there, found, taken)
        if theirs is None:
            continue
        said = {**theirs, "hours": money(theirs["total_hours_hundredths"])}
        names = ("consultant", "week", "status", "approver", "note", "hours")
        found += differing(what, {name: ours[name] for name in names}, said)
        found += reference(what, "project", partial(numbers.known, "EN", ""), ours["project"], theirs["project"])
        here, their = our_lines.get(ours["number"], {}), their_lines.get(theirs["number"], {})
        found += _same_lines(what, here, their, numbers)
    return found + extra("time sheet", there, taken)


def _same_lines(what: str, ours: Mapping[int, Record], theirs: Mapping[int, Record], numbers: Numbers) -> list[str]:
    if ours.keys() != theirs.keys():
        return [f"{what}: lines {sorted(theirs)} at the ERP, {sorted(ours)} in the source"]
    names, found = ("day", "hours", "rate", "billable", "description"), list[str]()
    for number, line in ours.items():
        their = theirs[number]
        if any(normal(line[name]) != normal(their[name]) for name in names):
            found += differing(f"{what} line {number}", {name: line[name] for name in names}, their)
        known = partial(numbers.known, "TK", "")
        found += reference(f"{what} line {number}", "task", known, line["task"], their["task"])
    return found


def _by_number(records: list[Record]) -> dict[str, Record]:
    return {str(r["number"]): r for r in records}


def _lines(side: Side) -> Lines:
    lines: dict[str, dict[int, Record]] = defaultdict(dict)
    for line in side["sheet_lines"]:
        hours = {} if "hours" in line else {"hours": money(line["hours_hundredths"])}
        lines[line["number"]][line["line"]] = {**line, **hours}
    return lines
