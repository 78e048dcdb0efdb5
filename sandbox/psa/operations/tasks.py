"""Tasks: made, edited, renumbered (lines follow), deleted (lines stay without one), brought back."""

from __future__ import annotations

from random import Random

from sandbox.planning import Scenario, Statement
from sandbox.psa import values as v
from sandbox.psa.model import Book
from sandbox.psa.operations.clients import TOUCH
from sandbox.psa.operations.engagements import forget_tasks, insert_task


def new(book: Book, rng: Random) -> Scenario | None:
    """A task more."""
    found = book.engagement(rng, lambda e: e.state != "C")
    if found is None:
        return None
    task = f"T{book.number('T'):08d}"

    def apply() -> None:
        book.tasks[task] = found.number

    return Scenario("task_new", [[insert_task(rng, found.number, task, 99)]], {found.number}, apply)


def edit(book: Book, rng: Random) -> Scenario | None:
    """A task's plan, rate, text or state changes."""
    task = book.task(rng)
    if task is None:
        return None
    column, value = rng.choice(
        [("pln_hrs", v.hours(rng)), ("rt", rng.choice((None, v.rate(rng)))), ("dsc_tx", v.task(rng)),
         ("sta_cd", rng.choice("OC"))]
    )  # fmt: skip
    statement = Statement(f"UPDATE tk SET {column} = %s, {TOUCH} WHERE tk_no = %s", (value, task))
    return Scenario("task_edit", [[statement]], {book.tasks[task]})


def renumber(book: Book, rng: Random) -> Scenario | None:
    """A task gets another number; the database carries it into the lines."""
    old = book.task(rng)
    if old is None:
        return None
    fresh = f"T{book.number('T'):08d}"

    def apply() -> None:
        book.tasks[fresh] = book.tasks.pop(old)
        for sheet in book.sheets.values():
            sheet.lines = {n: fresh if t == old else t for n, t in sheet.lines.items()}

    statements = [
        Statement(f"UPDATE tk SET tk_no = %s, {TOUCH} WHERE tk_no = %s", (fresh, old)),
        Statement("INSERT INTO numhis (tab_cd, old_no, new_no) VALUES ('TK', %s, %s)", (old, fresh)),
    ]
    return Scenario("task_renumber", [statements], book.reach({old}), apply)


def delete(book: Book, rng: Random) -> Scenario | None:
    """A task goes; its lines stay, without a task."""
    task = book.task(rng)
    if task is None:
        return None
    statement = Statement("DELETE FROM tk WHERE tk_no = %s", (task,))
    return Scenario("task_delete", [[statement]], book.reach({task}), lambda: forget_tasks(book, {task}))


def delete_and_return(book: Book, rng: Random) -> Scenario | None:
    """A task is deleted and entered again under its number, which does not give it its lines back."""
    task = book.task(rng)
    if task is None:
        return None
    engagement = book.tasks[task]
    gone, back = Statement("DELETE FROM tk WHERE tk_no = %s", (task,)), insert_task(rng, engagement, task, 98)

    def apply() -> None:
        forget_tasks(book, {task})
        book.tasks[task] = engagement

    steps = [[gone, back]] if rng.random() < 0.5 else [[gone], [back]]
    return Scenario("task_comes_back", steps, book.reach({task}), apply)
