"""The kill matrix is worth something: with a guard removed, the kill at its point is seen to do damage.

Every case is the same round as in the matrix, with the same checks; only the agent is sabotaged (see sabotage/).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from tests.acceptance.kills import FAILPOINTS, agent_round, postmaster_round, wrongs
from tests.support.estate import Estate, Servers
from tests.support.users import HARD

pytestmark = [pytest.mark.acceptance, pytest.mark.sabotage]

POINTS = {p.name: p for p in FAILPOINTS}
PAYMENTS: Mapping[str, float] = {"payment_new": 10, "draft_new": 2, "post": 2}
POSTINGS: Mapping[str, float] = {"draft_new": 5, "post": 5}

SLOW = ("--latency-ms", "30")


@dataclass(frozen=True)
class Case:
    """A guard, the point at which it is missed, and what is seen then (a pattern)."""

    guard: str
    point: str
    seen: str
    seed: int = 1
    weights: Mapping[str, float] | None = None
    patience: float = 10.0
    kills: int = 1
    erp: tuple[str, ...] = ()


ROUNDS = 4  # seeds tried until a kill falls where the guard matters

CASES = (
    Case("acknowledged_before_the_commit", "before-intake-commit", r"ahead of the store"),
    Case("acknowledged_early_and_unchecked", "before-intake-commit", r"at the ERP"),
    Case("intake_position_first", "before-intake-commit", r"at the ERP|ledger rows"),
    Case("intake_position_later", "after-intake-commit", r"inbox_pkey"),
    Case("snapshot_resumed", "snapshot-mid", r"at the ERP"),
    Case("resumed_at_the_present", "snapshot-handoff", r"at the ERP"),
    Case("resumed_at_the_present", "source postmaster", r"at the ERP"),
    Case(
        "huge_transaction_taken_for_whole",
        "inside-huge-transaction",
        r"city is .* at the ERP|inbox_pkey",
    ),
    Case("derive_position_first", "before-derive-commit", r"at the ERP|ledger rows"),
    Case("derive_position_later", "after-derive-commit", r"ledger rows"),
    Case("never_taken_over", "after-intent", r"in vain until the line is drained"),
    Case("unknown_taken_for_done", "before-call", r"at the ERP"),
    Case("sent_without_a_note", "after-call", r"payment marker .* payments carry it", weights=PAYMENTS),
    Case("sent_again_unasked", "after-call", r"payment marker .* payments carry it", weights=PAYMENTS),
    Case(
        "rest_of_a_document_in_memory", "between-calls", r"invoice .* posted in the source", weights=POSTINGS
    ),
    Case("answers_forgotten", "store postmaster", r"in vain until the line is drained", kills=4, erp=SLOW),
    Case(
        "commits_not_flushed", "store postmaster", r"ahead of the store|at the ERP|payments carry it", kills=3
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.guard}-{c.point.replace(' ', '-')}")
def test_a_missing_guard_is_seen_at_its_point(case: Case, servers: Servers) -> None:
    said = []
    for seed in range(case.seed, case.seed + ROUNDS):
        with Estate(servers, erp=case.erp) as estate:
            said.append(_seen(replace(case, seed=seed), estate))
        if re.search(case.seen, said[-1]):
            return
        # Which call a kill falls into is chance; what shows as something else is no chance.
        assert not said[-1], f"not what was expected to be seen:\n{said[-1]}"
    raise AssertionError(f"nothing to be seen in {len(said)} rounds")


def _seen(case: Case, estate: Estate) -> str:
    """What the round itself, the comparison or the books complain about; empty when all is well."""
    entry = (sys.executable, "-m", "tests.acceptance.sabotage", case.guard)
    point = POINTS.get(case.point)
    if point is None or not point.fresh:
        estate.start()
        estate.wait_until_drained()
        assert estate.stop() == 0
    weights = case.weights or HARD
    try:
        if point is None:
            which = case.point.partition(" ")[0]
            postmaster_round(
                estate,
                which,
                case.seed,
                kills=case.kills,
                entry=entry,
                weights=weights,
                patience=case.patience,
            )
        else:
            agent_round(
                estate, point, case.seed, kills=case.kills, entry=entry, weights=weights, patience=case.patience,
                meanwhile=40,
            )  # fmt: skip
    except AssertionError as error:
        return f"{error}\n{estate.tail()}\n" + "\n".join(wrongs(estate))
    return "\n".join(wrongs(estate))
