"""The kill matrix is worth something: with a guard removed, the kill at its point is seen to do damage.

Every case is the same round as in the matrix, with the same checks; only the agent is sabotaged (see sabotage/).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from tests.acceptance.kills import FAILPOINTS, Point, agent_round, postmaster_round, wrongs
from tests.support.estate import Estate, Servers

pytestmark = [pytest.mark.acceptance, pytest.mark.sabotage]

POINTS = {p.name: p for p in FAILPOINTS}
SLOW = ("--latency-ms", "300")

# Damage that a kill may miss, or that a later change repairs, proves nothing. So the users do only what cannot be repaired:
# what is new is lost for good, a payment sent twice stays, and every draft changes its header twice in one transaction.
NEW: Mapping[str, float] = {"customer_new": 1, "draft_new": 2, "payment_new": 3}
CUSTOMERS: Mapping[str, float] = {"customer_new": 1, "customer_edit": 3}
DRAFTS: Mapping[str, float] = {"draft_new": 1}
PAYMENTS: Mapping[str, float] = {"payment_new": 1}
POSTINGS: Mapping[str, float] = {"draft_new": 1, "post": 1}


@dataclass(frozen=True)
class Case:
    """A guard, the point at which it is missed, and what is seen then (a pattern).

    out: a database is crashed only while requests are under way. store: settings of the store's server meanwhile.
    """

    guard: str
    point: str
    seen: str
    weights: Mapping[str, float] = field(default_factory=lambda: NEW)
    kills: int = 1
    seed: int = 1
    patience: float = 10.0
    out: bool = False
    erp: tuple[str, ...] = ()
    store: Mapping[str, str] = field(default_factory=dict)


# Seeds tried should a kill fall where nothing is lost after all.
ROUNDS = int(os.environ.get("SABOTAGE_ROUNDS", "4"))
STUCK = r"in vain until (the line is drained|the agent delivers)"
DOUBLED = r"payment marker .* payments carry it"

CASES = (
    Case("acknowledged_before_the_commit", "before-intake-commit", r"ahead of the store"),
    Case("acknowledged_early_and_unchecked", "before-intake-commit", r"at the ERP", kills=3),
    Case("intake_position_first", "before-intake-commit", r"at the ERP|ledger rows"),
    Case("intake_position_later", "after-intake-commit", r"inbox_(txn_)?pkey"),
    Case("snapshot_resumed", "snapshot-mid", r"at the ERP", CUSTOMERS),
    Case("resumed_at_the_present", "snapshot-handoff", r"at the ERP"),
    Case("reconnected_at_the_present", "source postmaster", r"at the ERP", kills=2),
    Case("huge_transaction_taken_for_whole", "inside-huge-transaction", r"city is .* at the ERP|inbox_(txn_)?pkey"),
    Case("derive_position_first", "before-derive-commit", r"at the ERP|ledger rows"),
    Case("derive_position_later", "after-derive-commit", r"ledger rows", DRAFTS, kills=3),
    Case("never_taken_over", "after-intent", STUCK),
    Case("unknown_taken_for_done", "before-call", r"at the ERP", kills=3),
    Case("sent_without_a_note", "after-call", DOUBLED, PAYMENTS, kills=3),
    Case("sent_again_unasked", "after-call", DOUBLED, PAYMENTS, kills=3),
    Case("rest_of_a_document_in_memory", "between-calls", r"invoice .* posted in the source", POSTINGS, kills=3),
    Case("answers_forgotten", "store postmaster", STUCK, kills=3, out=True, erp=SLOW),
    Case(
        "commits_not_flushed", "store postmaster", r"ahead of the store|at the ERP|payments carry it", PAYMENTS, kills=2,
        store={"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"},
    ),
)  # fmt: skip


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
    point = POINTS.get(case.point)
    if point is None or not point.fresh:
        estate.start()
        estate.wait_until_drained()
        assert estate.stop() == 0
    try:
        with estate.servers.store.set(case.store):
            _round(case, point, estate)
    except AssertionError as error:
        return f"{error}\n{estate.tail()}\n" + "\n".join(wrongs(estate))
    return "\n".join(wrongs(estate))


def _round(case: Case, point: Point | None, estate: Estate) -> None:
    entry = (sys.executable, "-m", "tests.acceptance.sabotage", case.guard)
    if point is None:
        postmaster_round(
            estate, case.point.partition(" ")[0], case.seed, kills=case.kills, entry=entry, weights=case.weights,
            patience=case.patience, while_out=case.out,
        )  # fmt: skip
    else:
        agent_round(
            estate, point, case.seed, kills=case.kills, entry=entry, weights=case.weights, patience=case.patience,
            meanwhile=40,
        )  # fmt: skip
