"""Users of an old system at work: several connections with open transactions side by side, the same per seed.

One such activity at a time may work on a book: what it touches is reserved in memory, not in the database. One that lost its
connection is thrown away; a new one reads the book as it stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from sandbox.planning import Scenario, Statement


class Working(Protocol):
    """A model of a book: `busy` are the keys that scenarios under way have reserved."""

    busy: set[str]


class Session(Protocol):
    """One connection; `execute` says how many rows were changed. `close` does not raise."""

    def execute(self, statement: Statement) -> int:
        """Run it in the open transaction."""
        ...

    def commit(self) -> None:
        """End the transaction."""
        ...

    def rollback(self) -> None:
        """Undo the transaction."""
        ...

    def close(self) -> None:
        """Release it; what is open is rolled back."""
        ...


B = TypeVar("B", bound=Working)


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction that ended: what it was, how many rows it changed, and whether it was committed."""

    operation: str
    rows: int
    committed: bool


@dataclass(slots=True)
class Totals:
    """What a run did."""

    committed: int = 0
    rolled_back: int = 0
    rows: int = 0
    operations: dict[str, int] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Count one transaction; rows count when they were committed."""
        self.operations[step.operation] = self.operations.get(step.operation, 0) + 1
        if step.committed:
            self.committed += 1
            self.rows += step.rows
        else:
            self.rolled_back += 1


@dataclass(slots=True)
class _Lane:
    """One connection and what it is in the middle of."""

    session: Session
    scenario: Scenario | None = None
    transaction: int = 0
    statement: int = 0
    rows: int = 0


class Users(Generic[B]):
    """Work on a book through sessions.

    operations: name → (planner, usual weight). weights: name → weight, replacing the usual ones (others are 0); a collection
    of names takes their usual weight, or 1. rolled_back: share of scenarios whose transactions are all rolled back.
    """

    def __init__(
        self,
        book: B,
        sessions: Iterable[Session],
        operations: Mapping[str, tuple[Callable[[B, Random], Scenario | None], float]],
        *,
        seed: int = 1,
        weights: Mapping[str, float] | Iterable[str] | None = None,
        rolled_back: float = 0.03,
    ) -> None:
        self.book = book
        self.totals = Totals()
        self._rng = Random(seed)
        self._operations = operations
        self._names, self._weights = _chosen({n: w for n, (_, w) in operations.items()}, weights)
        self._rolled_back = rolled_back
        self._lanes = [_Lane(session) for session in sessions]

    def __enter__(self) -> Users[B]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        self.close()

    def step(self) -> Step:
        """Work until one transaction ends; others may stay open, half done, on other connections."""
        while True:
            lane = self._lanes[self._rng.randrange(len(self._lanes))]
            if lane.scenario is None:
                self._begin(lane)
            ended = self._work(lane, self._rng.randint(1, 3))
            if ended is not None:
                return ended

    def finish(self) -> Totals:
        """End every scenario that is under way; afterwards nothing is open."""
        for lane in self._lanes:
            while lane.scenario is not None:
                self._work(lane, 1000)
        return self.totals

    def steps(self, count: int) -> Totals:
        """`count` transactions, then `finish`."""
        for _ in range(count):
            self.step()
        return self.finish()

    def run(self, rate: float, seconds: float, stop: Callable[[], bool] = lambda: False) -> Totals:
        """About `rate` transactions per second for `seconds` or until `stop`, then `finish`.

        Less when the database is slower. `totals` may be read meanwhile, from another thread too.
        """
        begin = time.monotonic()
        done = 0
        while (now := time.monotonic() - begin) < seconds and not stop():
            if done < rate * now:
                self.step()
                done += 1
            else:
                time.sleep(min((done + 1) / rate - now, 0.05))
        return self.finish()

    def close(self) -> None:
        """Close the connections; open transactions are rolled back."""
        for lane in self._lanes:
            lane.session.close()

    def _begin(self, lane: _Lane) -> None:
        for _ in range(1000):
            name = self._rng.choices(self._names, self._weights)[0]
            scenario = self._operations[name][0](self.book, self._rng)
            if scenario is not None:
                break
        else:
            raise RuntimeError("no operation fits this book: " + ", ".join(self._names))
        if self._rng.random() < self._rolled_back:
            # In one piece: a later transaction would miss what an earlier one did not leave behind.
            scenario.rolled_back = True
            scenario.transactions = [[s for transaction in scenario.transactions for s in transaction]]
        self.book.busy |= scenario.touches
        lane.scenario, lane.transaction, lane.statement, lane.rows = scenario, 0, 0, 0

    def _work(self, lane: _Lane, statements: int) -> Step | None:
        scenario = lane.scenario
        if scenario is None:
            return None
        todo = scenario.transactions[lane.transaction]
        for statement in todo[lane.statement : lane.statement + statements]:
            lane.rows += max(lane.session.execute(statement), 0)
        lane.statement += statements
        return self._end(lane, scenario) if lane.statement >= len(todo) else None

    def _end(self, lane: _Lane, scenario: Scenario) -> Step:
        if scenario.rolled_back:
            lane.session.rollback()
        else:
            lane.session.commit()
        step = Step(scenario.name, lane.rows, not scenario.rolled_back)
        lane.transaction, lane.statement, lane.rows = lane.transaction + 1, 0, 0
        if lane.transaction == len(scenario.transactions):
            lane.scenario = None
            self.book.busy -= scenario.touches
            if not scenario.rolled_back:
                scenario.apply()
        self.totals.add(step)
        return step


def _chosen(
    usual: Mapping[str, float], weights: Mapping[str, float] | Iterable[str] | None
) -> tuple[list[str], list[float]]:
    if weights is None:
        chosen = {name: weight for name, weight in usual.items() if weight}
    elif isinstance(weights, Mapping):
        chosen = {name: weight for name, weight in weights.items() if weight}
    else:
        chosen = {name: usual.get(name) or 1.0 for name in weights}
    unknown = set(chosen) - set(usual)
    if unknown or not chosen:
        raise ValueError(f"unknown operations: {sorted(unknown)}; known are {sorted(usual)}")
    return list(chosen), list(chosen.values())
