"""What the generator knows of the PSA book: keys and states of a working set, enough to plan valid transactions.

Every scenario reserves the keys it touches until it ends, with the rows that foreign keys change along: scenarios in different
open transactions never wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random

from sandbox.planning import pick
from sandbox.psa.connect import Connection, rows
from sandbox.psa.statements import statements


@dataclass(slots=True)
class Engagement:
    """An engagement; `sheets`: time was written on it."""

    number: str
    client: str
    state: str
    sheets: bool


@dataclass(slots=True)
class Sheet:
    """A time sheet and its lines: line number → task, which may be another engagement's."""

    number: int
    engagement: str
    state: str
    lines: dict[int, str | None] = field(default_factory=dict)


class Book:
    """The working set, and the counters that number what is new."""

    def __init__(self) -> None:
        self.clients: set[str] = set()
        self.engagements: dict[str, Engagement] = {}
        self.tasks: dict[str, str] = {}  # task → engagement
        self.sheets: dict[int, Sheet] = {}
        self.consultants: list[str] = []
        self.busy: set[str] = set()
        self._counters: dict[str, int] = {}

    def number(self, series: str) -> int:
        """The next number of a series, never given out before."""
        self._counters[series] = self._counters.get(series, 0) + 1
        return self._counters[series]

    def free(self, *engagements: str) -> bool:
        """Whether nobody works on these engagements or their clients."""
        return not any(e in self.busy or self.engagements[e].client in self.busy for e in engagements)

    def client(self, rng: Random, want: Callable[[str], bool] = lambda _: True) -> str | None:
        """A client on which nobody works, nor on one of its engagements."""
        taken = self.busy | {e.client for e in self.engagements.values() if e.number in self.busy}
        return pick(rng, sorted(self.clients), lambda c: c not in taken and want(c))

    def consultant(self, rng: Random) -> str | None:
        """A consultant whom nobody uses just now: a reference locks what it names."""
        return pick(rng, self.consultants, lambda c: c not in self.busy)

    def reach(self, tasks: Collection[str]) -> set[str]:
        """Engagements whose rows change when these tasks do: their own, and those of sheets with lines on them."""
        found = {self.tasks[t] for t in tasks}
        for sheet in self.sheets.values():
            if any(task in tasks for task in sheet.lines.values()):
                found.add(sheet.engagement)
        return found

    def engagement(self, rng: Random, want: Callable[[Engagement], bool] = lambda _: True) -> Engagement | None:
        """A free engagement that fulfils `want`."""
        return pick(rng, self.engagements.values(), lambda e: self.free(e.number) and want(e))

    def task(self, rng: Random) -> str | None:
        """A task on which nobody works, nor on a sheet that has lines on it."""
        return pick(rng, self.tasks, lambda t: self.free(self.tasks[t]) and self.free(*self.reach({t})))

    def sheet(self, rng: Random, want: Callable[[Sheet], bool]) -> Sheet | None:
        """A sheet of a free engagement that fulfils `want`."""
        return pick(rng, self.sheets.values(), lambda s: self.free(s.engagement) and want(s))

    def tasks_of(self, engagement: str) -> list[str]:
        """The engagement's tasks."""
        return [task for task, of in self.tasks.items() if of == engagement]

    @classmethod
    def read(cls, conn: Connection, seed: int, limit: int = 500) -> Book:
        """Read a working set of at most `limit` clients with all of their engagements, and 4 × `limit` sheets."""
        book, named = cls(), statements("working_set")
        book.clients = {c for (c,) in rows(conn, named["clients"], {"seed": str(seed), "limit": limit})}
        chosen = {"clients": sorted(book.clients) or [""], "limit": 4 * limit}
        for number, client, state, sheets in rows(conn, named["engagements"], chosen):
            book.engagements[number] = Engagement(number, client, state, bool(sheets))
        book.tasks = dict(rows(conn, named["tasks"], chosen))
        for sheet, engagement, state in rows(conn, named["sheets"], chosen):
            book.sheets[sheet] = Sheet(sheet, engagement, state)
        for sheet, line, task in rows(conn, named["lines"], {"sheets": sorted(book.sheets) or [0]}):
            book.sheets[sheet].lines[line] = task
        book.consultants = [c for (c,) in rows(conn, named["consultants"])]
        book._counters = {series: int(highest) for series, highest in rows(conn, named["counters"])}
        return book
