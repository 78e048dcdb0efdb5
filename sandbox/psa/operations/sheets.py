"""Time sheets: written, corrected, lines moved, approved, rejected, deleted with their lines, brought back, renumbered."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sandbox.planning import Scenario, Statement
from sandbox.psa import values as v
from sandbox.psa.model import Book, Sheet
from sandbox.psa.operations.clients import TOUCH


def open_sheet(sheet: Sheet) -> bool:
    """Not approved, so its lines may change."""
    return sheet.state in "DSR"


def _insert_line(rng: Random, sheet: int, line: int, task: str | None) -> Statement:
    return Statement(
        "INSERT INTO tsl (ts_id, ln_no, tk_no, wrk_dt, hrs, rt, bil, txt) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (sheet, line, task, v.monday(rng), v.hours(rng), rng.choice((None, None, v.rate(rng))), rng.randrange(2), v.work(rng)),
    )


def _insert_sheet(rng: Random, number: int, engagement: str, consultant: str) -> Statement:
    return Statement(
        "INSERT INTO tsh (ts_id, cn_no, en_no, wk_dt, sta_cd, note_tx) VALUES (%s, %s, %s, %s, 'D', %s)",
        (number, consultant, engagement, v.monday(rng), v.note(rng)),
    )


def _set(sheet: Sheet, assignments: str, *values: object) -> Statement:
    return Statement(f"UPDATE tsh SET {assignments}, {TOUCH} WHERE ts_id = %s", (*values, sheet.number))


def _task(book: Book, rng: Random, engagement: str) -> str | None:
    tasks = book.tasks_of(engagement)
    return rng.choice([*tasks, None]) if tasks else None


def new(book: Book, rng: Random) -> Scenario | None:
    """A sheet with one to six lines."""
    engagement, consultant = book.engagement(rng, lambda e: e.state in "AH"), book.consultant(rng)
    if engagement is None or consultant is None:
        return None
    lines = {n: _task(book, rng, engagement.number) for n in range(1, rng.randint(2, 7))}
    sheet = Sheet(book.number("S"), engagement.number, "D", lines)

    def apply() -> None:
        engagement.sheets = True
        book.sheets[sheet.number] = sheet

    statements = [_insert_sheet(rng, sheet.number, engagement.number, consultant)]
    statements += [_insert_line(rng, sheet.number, n, task) for n, task in lines.items()]
    return Scenario("sheet_new", [statements], {engagement.number, consultant}, apply)


def _change(book: Book, rng: Random, sheet: Sheet) -> tuple[list[Statement], dict[int, str | None]]:
    lines, statements = dict(sheet.lines), []
    for _ in range(rng.randint(1, 3)):
        choice = rng.random()
        if choice < 0.3:
            number, task = max([*lines, *sheet.lines], default=0) + 1, _task(book, rng, sheet.engagement)
            lines[number] = task
            statements.append(_insert_line(rng, sheet.number, number, task))
        elif lines and choice < 0.45:
            number = rng.choice(list(lines))
            del lines[number]
            statements.append(Statement("DELETE FROM tsl WHERE ts_id = %s AND ln_no = %s", (sheet.number, number)))
        elif lines:
            number = rng.choice(list(lines))
            sql = f"UPDATE tsl SET hrs = %s, txt = %s, {TOUCH} WHERE ts_id = %s AND ln_no = %s"
            statements.append(Statement(sql, (v.hours(rng), v.work(rng), sheet.number, number)))
    return statements, lines


def edit(book: Book, rng: Random) -> Scenario | None:
    """Lines of a sheet are added, dropped or corrected."""
    return _edited(book, rng, "sheet_edit", open_sheet, "note_tx = note_tx")


def fix(book: Book, rng: Random) -> Scenario | None:
    """An approved sheet is corrected all the same; the old system only counts it."""
    return _edited(book, rng, "sheet_fix", lambda s: s.state == "A", "cor_cnt = COALESCE(cor_cnt, 0) + 1")


def _edited(book: Book, rng: Random, label: str, fits: Callable[[Sheet], bool], header: str) -> Scenario | None:
    found = book.sheet(rng, fits)
    if found is None:
        return None
    statements, lines = _change(book, rng, found)

    def apply() -> None:
        found.lines = lines

    statements.append(_set(found, header))
    return Scenario(label, [statements], {found.engagement}, apply)


def move(book: Book, rng: Random) -> Scenario | None:
    """A line moves to another open sheet; sometimes it is deleted there, in the same or the next transaction."""
    source = book.sheet(rng, lambda s: open_sheet(s) and bool(s.lines))
    target = book.sheet(rng, lambda s: open_sheet(s) and s is not source)
    if source is None or target is None:
        return None
    line, number = rng.choice(list(source.lines)), max(target.lines, default=0) + 1
    sql = f"UPDATE tsl SET ts_id = %s, ln_no = %s, {TOUCH} WHERE ts_id = %s AND ln_no = %s"
    go = Statement(sql, (target.number, number, source.number, line))
    drop = Statement("DELETE FROM tsl WHERE ts_id = %s AND ln_no = %s", (target.number, number))
    fate = rng.randrange(4)
    steps = [[[go]], [[go]], [[go], [drop]], [[go, drop]]][fate]

    def apply() -> None:
        task = source.lines.pop(line)
        if fate < 2:
            target.lines[number] = task

    return Scenario("sheet_move", steps, {source.engagement, target.engagement}, apply)


def approve(book: Book, rng: Random) -> Scenario | None:
    """A sheet is submitted and approved, in one transaction or in two."""
    found, approver = book.sheet(rng, lambda s: s.state in "DS"), rng.choice(book.consultants or [None])
    if found is None:
        return None
    submit = _set(found, "sta_cd = 'S'")
    accept = _set(found, "sta_cd = 'A', apr_no = %s, apr_ts = '2026-10-01 08:00:00.250'", approver)

    def apply() -> None:
        found.state = "A"

    steps = [[submit], [accept]] if rng.random() < 0.5 else [[submit, accept]]
    return Scenario("sheet_approve", steps, {found.engagement}, apply)


def reject(book: Book, rng: Random) -> Scenario | None:
    """A sheet is rejected; some are approved in the end."""
    found = book.sheet(rng, lambda s: s.state in "DS")
    if found is None:
        return None
    steps, state = [[_set(found, "sta_cd = 'R'")]], "R"
    if rng.random() < 0.4:
        steps, state = [*steps, [_set(found, "sta_cd = 'A'")]], "A"

    def apply() -> None:
        found.state = state

    return Scenario("sheet_reject", steps, {found.engagement}, apply)


def delete(book: Book, rng: Random) -> Scenario | None:
    """A draft goes, its lines with it."""
    found = book.sheet(rng, lambda s: s.state == "D")
    if found is None:
        return None

    def apply() -> None:
        del book.sheets[found.number]

    statement = Statement("DELETE FROM tsh WHERE ts_id = %s", (found.number,))
    return Scenario("sheet_delete", [[statement]], {found.engagement}, apply)


def delete_and_return(book: Book, rng: Random) -> Scenario | None:
    """A draft is deleted and written again under its number: later, or in the same transaction."""
    found, consultant = book.sheet(rng, lambda s: s.state == "D"), book.consultant(rng)
    if found is None or consultant is None:
        return None
    gone = Statement("DELETE FROM tsh WHERE ts_id = %s", (found.number,))
    lines = {n: _task(book, rng, found.engagement) for n in (1, 2)}
    back = [_insert_sheet(rng, found.number, found.engagement, consultant)]
    back += [_insert_line(rng, found.number, n, task) for n, task in lines.items()]

    def apply() -> None:
        found.lines = lines

    steps = [[gone, *back]] if rng.random() < 0.5 else [[gone], back]
    return Scenario("sheet_comes_back", steps, {found.engagement, consultant}, apply)


def renumber(book: Book, rng: Random) -> Scenario | None:
    """A draft gets another number; the database carries it into its lines."""
    found = book.sheet(rng, lambda s: s.state == "D")
    if found is None:
        return None
    old, fresh = found.number, book.number("S")

    def apply() -> None:
        del book.sheets[old]
        found.number = fresh
        book.sheets[fresh] = found

    statements = [
        Statement(f"UPDATE tsh SET ts_id = %s, {TOUCH} WHERE ts_id = %s", (fresh, old)),
        Statement("INSERT INTO numhis (tab_cd, old_no, new_no) VALUES ('TS', %s, %s)", (str(old), str(fresh))),
    ]
    return Scenario("sheet_renumber", [statements], {found.engagement}, apply)
