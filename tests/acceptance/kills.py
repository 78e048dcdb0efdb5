"""The kill matrix: where something is killed, under what work, and what must hold afterwards.

One round: users at work, the real agent dies at a named point (or a postmaster does), everything is started again, the
users go on for a while, the line drains; then both sides' own records agree and the books balance.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import psycopg

from sandbox.compare import render
from sandbox.legacy.bulk import huge
from tests.support.estate import AGENT, Estate
from tests.support.processes import Process, wait_until
from tests.support.users import HARD, Users

SIGKILLED = -9
# A payment has no key at the ERP: what was marked as sent and is not found there is for a person after a crash.
EXPECTED = "unknown_outcome"


@dataclass(frozen=True)
class Point:
    """Where to kill: at the n-th passing, n drawn from least to most.

    fresh: needs an estate whose snapshot is still to be taken. before: work that is waiting when the agent starts.
    """

    name: str
    least: int = 1
    most: int = 1
    fresh: bool = False
    before: Callable[[Estate], object] | None = None


def huge_transaction(estate: Estate) -> int:
    """1,500 row changes in one transaction: some two dozen slices.

    It may wait for rows of users who wait for rows of it, in transactions that only they can end: then it gives way.
    """
    with psycopg.connect(estate.source_dsn, autocommit=True, options="-c lock_timeout=2s") as conn:
        for _ in range(20):
            with suppress(psycopg.errors.LockNotAvailable):
                return huge(conn, 1500)
    raise AssertionError("no way through the users' locks")


FAILPOINTS = (
    Point("snapshot-mid", most=4, fresh=True),
    Point("snapshot-handoff", fresh=True),
    Point("inside-huge-transaction", least=3, most=20, before=huge_transaction),
    Point("before-intake-commit", most=12),
    Point("after-intake-commit", most=12),
    Point("before-derive-commit", most=8),
    Point("after-derive-commit", most=8),
    Point("after-intent", most=8),
    Point("before-call", most=12),
    Point("after-call", most=12),
    Point("between-calls", most=5),
)
POSTMASTERS = ("store", "source")


@dataclass
class Report:
    """What a round saw, for the log of a soak."""

    point: str
    seed: int
    kills: int = 0
    out_at_kill: int = 0
    transactions: int = 0
    resolved_by_hand: int = 0
    said: list[str] = field(default_factory=list)


# ---------------------------------------------------------------------------------------------------- rounds


def agent_round(
    estate: Estate, point: Point, seed: int, *, kills: int = 1, entry: Sequence[str] = AGENT,
    weights: Mapping[str, float] = HARD, patience: float = 60.0, meanwhile: int = 5,
) -> Report:  # fmt: skip
    """Kill the agent `kills` times at a point, then see it through; before and after none runs.

    meanwhile: transactions that are committed while it is dead. patience: seconds for the line to drain.
    """
    rng = Random(f"{point.name} {seed}")
    report = Report(point.name, seed)
    with Users(estate.source_dsn, seed=seed, weights=weights) as users:
        for _ in range(kills):
            if point.before is not None:
                point.before(estate)
            agent = estate.start(f"{point.name}:{rng.randint(point.least, point.most)}", entry)
            must_die_at(agent, point.name)
            assert users.at_work
            report.kills += 1
            report.out_at_kill += _out(estate)
            users.go_on(meanwhile)
        see_through(estate, users, report, entry)
    settle(estate, report, patience)
    return report


def postmaster_round(
    estate: Estate, which: str, seed: int, *, kills: int = 1, entry: Sequence[str] = AGENT,
    weights: Mapping[str, float] = HARD, patience: float = 60.0, while_out: bool = False,
) -> Report:  # fmt: skip
    """SIGKILL the postmaster of the store or of the source under work; the agent must live through it.

    while_out: not before commands are on their way to the ERP.
    """
    report = Report(f"{which} postmaster", seed)
    server = estate.servers.store if which == "store" else estate.servers.source
    agent = estate.start(entry=entry)
    with Users(estate.source_dsn, seed=seed, weights=weights, survive=True) as users:
        for n in range(kills):
            must_work(estate, f"before kill {n + 1}")
            users.go_on(3 + seed % 7)
            if while_out:
                wait_until("commands are on their way", lambda: _out(estate) > 0)
            report.out_at_kill += _out(estate)
            server.crash()
            report.kills += 1
            if which == "store":
                users.go_on(10)
            server.restart()
        must_work(estate, "after the crash")
        users.go_on(10)
        report.transactions = users.stop()
    settle(estate, report, patience)
    assert agent.exit_code is None, f"the agent did not live through it:\n{agent.stderr()[-3000:]}"
    return report


def capture_round(
    estate: Estate, seed: int, *, kills: int = 3, entry: Sequence[str] = AGENT,
    weights: Mapping[str, float] = HARD, patience: float = 60.0,
) -> Report:  # fmt: skip
    """SIGKILL the process that captures, and only that, under work; the agent must start another each time."""
    report = Report("capture process", seed)
    agent = estate.start(entry=entry)
    with Users(estate.source_dsn, seed=seed, weights=weights) as users:
        for n in range(kills):
            must_work(estate, f"before kill {n + 1}")
            users.go_on(3 + (seed + n) % 7)
            os.kill(capturing(agent), signal.SIGKILL)
            report.kills += 1
        must_work(estate, "after the last kill")
        users.go_on(10)
        report.transactions = users.stop()
    settle(estate, report, patience)
    said = agent.stderr()
    assert agent.exit_code is None, f"the agent did not live through it:\n{said[-3000:]}"
    assert said.count("the capture process ended with -9") == kills, said[-3000:]
    return report


def capturing(agent: Process) -> int:
    """The process that captures, as soon as there is one: after a kill it takes a moment."""
    found: list[int] = []

    def there() -> bool:
        found[:] = agent.children()
        return len(found) == 1

    wait_until("the agent captures", there)
    return found[0]


def must_die_at(agent: Process, name: str) -> None:
    """The agent was killed, and at that very point: a run that never reached it proves nothing."""
    code = agent.wait_exit(60)
    said = agent.stderr()
    assert code == SIGKILLED, (
        f"the agent ended with {code} instead of being killed at {name}:\n{said[-3000:]}"
    )
    assert f"failpoint reached: {name}\n" in said, f"killed, but not at {name}:\n{said[-3000:]}"


def see_through(estate: Estate, users: Users, report: Report, entry: Sequence[str] = AGENT) -> None:
    """Start again without a failpoint, let the users work a little longer, and end their work."""
    estate.start(entry=entry)
    must_work(estate, "after the restart")
    users.go_on(10)
    report.transactions = users.stop()


def must_work(estate: Estate, when: str) -> None:
    """The agent gets something new into the ERP."""
    before = estate.outcomes()

    def moved() -> bool:
        estate.alive()
        now = estate.outcomes()
        return now is not None and now > (before or 0)

    wait_until(f"the agent delivers {when}", moved)


def settle(estate: Estate, report: Report, patience: float = 60.0) -> None:
    """Drain; what only a person can decide is decided, and sent again; at last nothing is open."""
    for _ in range(5):
        estate.wait_until_drained(patience)
        found = estate.exceptions()
        if not found:
            return
        unexpected = [e for e in found if e.code != EXPECTED]
        assert not unexpected, f"open exceptions: {unexpected[:5]}"
        for exception in found:
            estate.replay(exception, "it is not at the ERP")
            report.resolved_by_hand += 1
    raise AssertionError(f"still open after having been replayed: {estate.exceptions()[:5]}")


def verify(estate: Estate) -> None:
    """Both sides agree by their own records, the three ledgers balance, and the agent ends cleanly."""
    said = wrongs(estate)
    assert not said, "\n".join(said)
    assert estate.stop() == 0, estate.tail()


def wrongs(estate: Estate) -> list[str]:
    """What is wrong with a drained estate, in words."""
    comparison = estate.compare()
    found = [] if comparison.balanced else [render(comparison, most=500)]
    found += [
        f"ledger {ledger.ledger} of {ledger.scope} is off by {ledger.difference}: {ledger.left} / {ledger.right}"
        for ledger in estate.books().out_of_balance
    ]
    found += [f"open: {e.code} {e.subject} {e.message}" for e in estate.exceptions()]
    return found


def _out(estate: Estate) -> int:
    """Commands whose intent is durable and whose outcome is not."""
    standing = estate.standing()
    return standing.out if standing is not None else 0
