"""Engagements: made with tasks, opened, closed, renumbered (tasks and sheets follow), deleted with their tasks."""

from __future__ import annotations

from random import Random

from sandbox.planning import Scenario, Statement
from sandbox.psa import values as v
from sandbox.psa.book import engagement_number, task_number
from sandbox.psa.model import Book, Engagement
from sandbox.psa.operations.clients import TOUCH


def insert_task(rng: Random, engagement: str, task: str, order: int) -> Statement:
    """A new task."""
    return Statement(
        "INSERT INTO tk (tk_no, en_no, dsc_tx, bil_flg, pln_hrs, rt, srt) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (task, engagement, v.task(rng), rng.choice("YYN"), v.hours(rng), rng.choice((None, v.rate(rng))), order),
    )


def new(book: Book, rng: Random) -> Scenario | None:
    """An engagement with up to four tasks, proposed or at once active."""
    client, manager = book.client(rng), book.consultant(rng)
    if client is None or manager is None:
        return None
    count, state = book.number("E"), rng.choice("PA")
    number = engagement_number(count)
    names = [task_number(count, n) for n in range(1, rng.randint(2, 5))]
    header = Statement(
        "INSERT INTO en (en_no, cl_no, pm_no, nm, sta_cd, typ_cd, cur, bud_hrs, bud_am, st_dt, note_tx)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (number, client, manager, v.project(rng), state, rng.choice("TF"), rng.choice(v.CURRENCIES), v.hours(rng) * 100,
         v.rate(rng) * 100, v.monday(rng), v.note(rng)),
    )  # fmt: skip
    lines = [insert_task(rng, number, name, n) for n, name in enumerate(names, 1)]

    def apply() -> None:
        book.engagements[number] = Engagement(number, client, state, False)
        book.tasks.update(dict.fromkeys(names, number))

    return Scenario("engagement_new", [[header, *lines]], {client, manager, number}, apply)


def edit(book: Book, rng: Random) -> Scenario | None:
    """Budget, dates, flags or the note change."""
    found = book.engagement(rng)
    if found is None:
        return None
    column, value = rng.choice(
        [("bud_hrs", v.hours(rng) * 100), ("en_dt", v.monday(rng)), ("conf", rng.randrange(2)), ("nm", v.project(rng)),
         ("note_tx", v.note(rng)), ("prio", rng.choice(("lo", "hi", None)))]
    )  # fmt: skip
    return Scenario("engagement_edit", [[_set(found.number, column, value)]], {found.number})


def _set(number: str, column: str, value: object) -> Statement:
    return Statement(f"UPDATE en SET {column} = %s, {TOUCH} WHERE en_no = %s", (value, number))


def activate(book: Book, rng: Random) -> Scenario | None:
    """A proposal is won, or what was on hold goes on."""
    return _state(book, rng, "engagement_open", "PH", "A")


def close(book: Book, rng: Random) -> Scenario | None:
    """An engagement ends, its tasks with it."""
    return _state(book, rng, "engagement_close", "AH", "C")


def _state(book: Book, rng: Random, label: str, before: str, after: str) -> Scenario | None:
    found = book.engagement(rng, lambda e: e.state in before)
    if found is None:
        return None
    statements = [_set(found.number, "sta_cd", after)]
    if after == "C":
        statements.append(Statement(f"UPDATE tk SET sta_cd = 'C', {TOUCH} WHERE en_no = %s", (found.number,)))

    def apply() -> None:
        found.state = after

    return Scenario(label, [statements], {found.number}, apply)


def reprice(book: Book, rng: Random) -> Scenario | None:
    """All tasks of up to five engagements get dearer, in one transaction."""
    free = [e for e in book.engagements.values() if book.free(e.number)]
    found = rng.sample(free, min(5, len(free)))
    if not found:
        return None
    sql = f"UPDATE tk SET rt = ROUND(rt * 1.035, 4), {TOUCH} WHERE en_no = %s"
    return Scenario("engagement_reprice", [[Statement(sql, (e.number,)) for e in found]], {e.number for e in found})


def renumber(book: Book, rng: Random) -> Scenario | None:
    """An engagement gets another number; the database carries it into its tasks and sheets."""
    found = book.engagement(rng)
    if found is None:
        return None
    old, fresh = found.number, engagement_number(book.number("E"))

    def apply() -> None:
        del book.engagements[old]
        found.number = fresh
        book.engagements[fresh] = found
        book.tasks = {t: fresh if e == old else e for t, e in book.tasks.items()}
        for sheet in book.sheets.values():
            if sheet.engagement == old:
                sheet.engagement = fresh

    statements = [
        Statement(f"UPDATE en SET en_no = %s, {TOUCH} WHERE en_no = %s", (fresh, old)),
        Statement("INSERT INTO numhis (tab_cd, old_no, new_no) VALUES ('EN', %s, %s)", (old, fresh)),
    ]
    return Scenario("engagement_renumber", [statements], {old, fresh}, apply)


def delete(book: Book, rng: Random) -> Scenario | None:
    """An engagement without time goes; its tasks go along, and lines of other sheets lose them."""
    found = book.engagement(rng, lambda e: not e.sheets and book.free(*book.reach(book.tasks_of(e.number))))
    if found is None:
        return None
    gone = set(book.tasks_of(found.number))

    def apply() -> None:
        del book.engagements[found.number]
        forget_tasks(book, gone)

    statement = Statement("DELETE FROM en WHERE en_no = %s", (found.number,))
    return Scenario("engagement_delete", [[statement]], {found.number} | book.reach(gone), apply)


def forget_tasks(book: Book, gone: set[str]) -> None:
    """Tasks are no more, and no line names them."""
    for task in gone:
        del book.tasks[task]
    for sheet in book.sheets.values():
        sheet.lines = {n: None if t in gone else t for n, t in sheet.lines.items()}
