"""What generators of activity have in common: statements, planned scenarios, and choosing what fits.

Plans are made from a model and a seeded random source alone, so the same book and seed give the same transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with its parameters."""

    sql: str
    parameters: tuple[object, ...] = ()


def nothing() -> None:
    """The model stays as it is."""


@dataclass(slots=True)
class Scenario:
    """Transactions that belong together, one after the other, others' transactions between them.

    touches: keys reserved until the end. apply: brings the model up to date after the last commit. rolled_back: every
    transaction ends in ROLLBACK, and apply is not called.
    """

    name: str
    transactions: list[list[Statement]]
    touches: set[str]
    apply: Callable[[], None] = nothing
    rolled_back: bool = False


def pick(rng: Random, items: Iterable[T], want: Callable[[T], bool]) -> T | None:
    """One of the items that fulfil `want`; None when there is none."""
    pool = list(items)
    # Guessing is quick where most fit; a full look is only needed where few do.
    for _ in range(8 if pool else 0):
        item = pool[rng.randrange(len(pool))]
        if want(item):
            return item
    fitting = [item for item in pool if want(item)]
    return rng.choice(fitting) if fitting else None
