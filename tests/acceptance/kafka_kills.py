"""The kill matrix of the production-shaped line: replicas, a Connect worker, a broker, a store, each while the others work.

One round as in `kills`: users at work, something is killed or frozen, it comes back (or its twin takes over), the users go on,
the line drains; then both sides' own records agree and the books balance.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from random import Random

import psycopg

from tests.acceptance.kills import Report, settle
from tests.support.estate import AGENT
from tests.support.kafka_estate import KafkaEstate
from tests.support.processes import Process, wait_until
from tests.support.users import HARD, Users

_PATIENCE = 120.0
_HOLDER = "SELECT holder FROM coexist.lease WHERE name = %s AND until > clock_timestamp()"


def must_work(estate: KafkaEstate, when: str, seconds: float = 90.0) -> None:
    """The replicas get something new into the ERP. A worker or a connector that is started again takes a while."""
    before = estate.outcomes() or 0

    def moved() -> bool:
        estate.alive()
        return (estate.outcomes() or 0) > before

    try:
        wait_until(f"the replicas deliver {when}", moved, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{estate.connectors()}\n{estate.tail()}") from None


def leads(estate: KafkaEstate, replica: Process) -> bool:
    """Whether a replica captures and derives the finance source."""
    try:
        with psycopg.connect(estate.store_dsn, autocommit=True, connect_timeout=5) as conn:
            holders = [conn.execute(_HOLDER, (name,)).fetchone() for name in ("capture:finance", "derive:finance")]
    except psycopg.Error:
        return False  # the store is not migrated yet
    pids = {int(str(row[0]).rpartition(":")[2]) for row in holders if row}
    return len(pids) == 2 and pids <= {replica.pid, *replica.children()}


def two_replicas(estate: KafkaEstate, entry: Sequence[str] = AGENT) -> None:
    """Both run, and one of them leads."""
    while len([r for r in estate.replicas if r.exit_code is None]) < 2:
        estate.start_replica(entry=entry)
    wait_until("somebody derives", lambda: leader(estate) is not None, 60)


def leader(estate: KafkaEstate) -> Process | None:
    """The replica that derives the finance source now."""
    try:
        with psycopg.connect(estate.store_dsn, autocommit=True, connect_timeout=5) as conn:
            row = conn.execute(_HOLDER, ("derive:finance",)).fetchone()
    except psycopg.Error:
        return None
    if row is None:
        return None
    pid = int(str(row[0]).rpartition(":")[2])
    return next((r for r in estate.replicas if r.pid == pid and r.exit_code is None), None)


def the_leader(estate: KafkaEstate) -> Process:
    """The same, as soon as there is one."""
    wait_until("somebody derives", lambda: leader(estate) is not None, 60)
    found = leader(estate)
    assert found is not None
    return found


def round_of(
    estate: KafkaEstate, what: str, seed: int, trouble: Callable[[KafkaEstate, Users, Random], None], *,
    entry: Sequence[str] = AGENT, weights: Mapping[str, float] = HARD,
) -> Report:  # fmt: skip
    """Users at work; trouble; more work; drained."""
    report = Report(what, seed)
    two_replicas(estate, entry)
    rng = Random(f"{what} {seed}")
    with Users(estate.source_dsn, seed=seed, weights=weights) as users:
        must_work(estate, "before the trouble")
        users.go_on(rng.randint(3, 15))
        trouble(estate, users, rng)
        report.kills += 1
        must_work(estate, "after the trouble")
        users.go_on(10)
        report.transactions = users.stop()
    settle(estate, report, _PATIENCE)
    return report


def kill_leader(estate: KafkaEstate, users: Users, rng: Random) -> None:
    """SIGKILL the replica that leads; the other goes on alone, then a new one comes."""
    the_leader(estate).kill()
    users.go_on(rng.randint(3, 15))
    must_work(estate, "with one replica left")
    estate.start_replica(entry=estate.entry)


def freeze_leader(estate: KafkaEstate, users: Users, rng: Random) -> None:
    """SIGSTOP the replica that leads, with its capture; when the other has taken over and worked, it wakes up."""
    frozen = the_leader(estate)
    pids = [frozen.pid, *frozen.children()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        users.go_on(rng.randint(3, 15))
        wait_until("the other replica leads", lambda: leader(estate) not in (None, frozen), 60)
        must_work(estate, "while one replica is frozen")
        users.go_on(5)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    users.go_on(5)
    estate.alive()


def kill_worker(estate: KafkaEstate, users: Users, rng: Random) -> None:
    """SIGKILL the only Connect worker, and start it again."""
    estate.stack.worker.kill()
    users.go_on(rng.randint(3, 15))
    estate.stack.worker.start()


def kill_broker(estate: KafkaEstate, users: Users, rng: Random) -> None:
    """SIGKILL the only broker, and start it again on its data."""
    estate.stack.broker.kill()
    users.go_on(rng.randint(3, 15))
    estate.stack.broker.start()
    try:
        must_work(estate, "after the broker came back", 30)
    except AssertionError:
        # The only broker of a cluster may forget to end a transaction when it starts; a person has to (docs/limits.md).
        assert estate.stack.broker.end_hanging_transactions(), "nothing hangs, and yet nothing comes"


def crash_store(estate: KafkaEstate, users: Users, rng: Random) -> None:
    """SIGKILL the store's postmaster, and start it again."""
    estate.servers.store.crash()
    users.go_on(rng.randint(3, 15))
    estate.servers.store.restart()


TROUBLES = (kill_leader, freeze_leader, kill_worker, kill_broker, crash_store)
