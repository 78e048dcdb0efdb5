"""The story: two books, Kafka, two replicas; one killed with calls in flight, a worker killed, Kafka restarted; drained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.cli.demo.firm.estate import SOURCES, Firm
from agent.cli.demo.firm.users import FirmUsers
from agent.cli.demo.firm.view import FirmView
from agent.cli.demo.processes import Child
from agent.cli.demo.report import Failed
from agent.cli.demo.screen import Frame, Screen
from agent.cli.demo.story import Pace
from agent.cli.demo.view import Standing
from agent.operations.exceptions import replay

_EVERY = 0.15
_BOOK_SECONDS = 240.0
_DRAIN_SECONDS = 240.0
_MOVE_SECONDS = 90.0
_FORGOTTEN_SECONDS = 25.0
_STUCK_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Told:
    """What was done, and how long it was silent afterwards: seconds until something new was captured."""

    replicas_killed: int
    workers_killed: int
    brokers_restarted: int
    replica_silence: float
    worker_silence: float
    broker_silence: float


class _Stage:
    """Waits while the numbers are shown, and notices when a replica ends that nobody killed."""

    def __init__(self, firm: Firm, screen: Screen) -> None:
        self._firm = firm
        self._screen = screen
        self.users: FirmUsers | None = None

    @property
    def view(self) -> FirmView:
        """The store and the sources, to look at."""
        assert self._firm.firm_view is not None, "the store is not open"
        return self._firm.firm_view

    def wait(self, seconds: float, until: Callable[[Standing], bool] = lambda _: False) -> bool:
        """Until the condition holds (True) or the time is over (False)."""
        end = time.monotonic() + seconds
        while True:
            standing = self.view.standing()
            self._show(standing)
            if until(standing):
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(_EVERY)

    def silence(self, what: str) -> float:
        """Seconds until something new is captured. Raises Failed."""
        before, began = self.view.standing().captured, time.monotonic()
        if not self.wait(_MOVE_SECONDS, lambda s: s.captured > before):
            raise Failed(f"nothing was captured for {_MOVE_SECONDS:g} s after {what}")
        return time.monotonic() - began

    def _show(self, standing: Standing) -> None:
        for replica in self._firm.replicas:
            if replica.exit_code not in (None, -9):
                raise Failed(f"a replica ended by itself with {replica.exit_code}:\n{replica.tail()}")
        alive = [str(r.pid) for r in self._firm.replicas if r.exit_code is None]
        committed = self.users.committed if self.users else 0
        self._screen.show(Frame(standing, " ".join(alive) or "not started", committed, standing.oldest))


def tell(firm: Firm, screen: Screen, pace: Pace, seed: int) -> Told:
    """Everything up to the drained, stopped replicas. Raises Failed when it did not happen as told."""
    _begin(firm, screen, seed)
    stage = _Stage(firm, screen)
    for _ in range(2):
        screen.say(f"replica started: pid {firm.start_replica().pid}")
    if not stage.wait(_BOOK_SECONDS, lambda s: s.ready and s.calls > 0 and not s.queue and s.dirty == 0):
        raise Failed(f"the books did not arrive at the ERP in time: {stage.view.standing()}")
    screen.say(f"both books are at the ERP: {stage.view.standing().calls:,} calls")
    users = FirmUsers(firm.source_dsn, firm.psa_dsn, seed=seed, rate=pace.rate)
    stage.users = users
    try:
        users.start()
        told = _trouble(firm, screen, stage, pace)
    finally:
        users.stop()
    screen.say(f"the users went home after {users.committed:,} transactions; draining")
    _drain(stage, screen)
    _end(firm, screen)
    return told


def _begin(firm: Firm, screen: Screen, seed: int) -> None:
    screen.say("starting finance (PostgreSQL) and PSA (MariaDB)")
    finance, psa = firm.start_databases(seed)
    screen.say(f"books loaded: finance {finance:,} rows, PSA {psa:,} rows")
    screen.say("starting Kafka and Kafka Connect with Debezium (fetched the first time)")
    firm.start_kafka()
    screen.say(f"Kafka at {firm.broker.bootstrap}, Connect at {firm.worker.url}")
    pid = firm.start_erp()
    screen.say(f"ERP sandbox at {firm.erp_url} (pid {pid})")
    firm.open_store()
    firm.make_connectors()
    screen.say("connectors made: " + ", ".join(f"`coexist connect apply {source}`" for source in SOURCES))


def _trouble(firm: Firm, screen: Screen, stage: _Stage, pace: Pace) -> Told:
    screen.say(f"users at work in both systems, about {pace.rate:g} transactions a second in each")
    stage.wait(pace.seconds * 0.1)
    firm.fault("drop_after")
    screen.say("the ERP will do the next write and lose its reply: an unknown outcome")
    stage.wait(10, lambda _: firm.faults_fired() > 0)
    stage.wait(pace.seconds * 0.15)
    replica = _kill_replica(firm, screen, stage)
    stage.wait(pace.seconds * 0.2)
    worker_pid = firm.worker.pid
    firm.worker.kill()
    screen.say(f"kill -9 {worker_pid}: the Connect worker is gone")
    stage.wait(2)
    firm.restart_worker()
    worker = stage.silence("the Connect worker was started again")
    screen.say(f"Connect worker started again (pid {firm.worker.pid}); captured again after {worker:.1f} s")
    stage.wait(pace.seconds * 0.15)
    screen.say(f"kill -9 {firm.broker.pid}: Kafka is gone; starting it again")
    firm.restart_kafka()
    broker = _silence_of_kafka(firm, screen, stage)
    screen.say(f"Kafka restarted; captured again after {broker:.1f} s")
    stage.wait(pace.seconds * 0.15)
    return Told(1, 1, 1, replica, worker, broker)


def _silence_of_kafka(firm: Firm, screen: Screen, stage: _Stage) -> float:
    """What the only broker of a cluster forgot to end when it died is ended as an operator would."""
    before, began = stage.view.standing().captured, time.monotonic()
    if not stage.wait(_FORGOTTEN_SECONDS, lambda s: s.captured > before):
        for transaction in firm.broker.end_hanging_transactions():
            screen.say(f"Kafka left a transaction without an end ({transaction}): aborted with kafka-transactions")
    stage.silence("Kafka was restarted")
    return time.monotonic() - began


def _kill_replica(firm: Firm, screen: Screen, stage: _Stage) -> float:
    """SIGKILL the replica that leads finance, while the ERP has done a write and not answered yet."""
    firm.mend()
    firm.fault("stall", count=2, seconds=8)
    if not stage.wait(20, lambda _: firm.faults_fired() > 0):
        raise Failed("no write was in flight for 20 seconds")
    victim = _leader(firm, stage)
    pid = victim.pid
    victim.kill()
    calls = ", ".join(f"{n} {name}" for name, n in stage.view.in_flight().items())
    screen.say(f"kill -9 {pid}: the replica that derived finance is gone, calls in flight: {calls or 'none'}")
    silence = stage.silence("a replica was killed")
    screen.say(f"the other replica took over; captured again after {silence:.1f} s")
    firm.mend()
    screen.say(f"replica started: pid {firm.start_replica().pid}")
    return silence


def _leader(firm: Firm, stage: _Stage) -> Child:
    pid = stage.view.leader("finance")
    found = next((r for r in firm.replicas if r.pid == pid), None)
    if found is None:
        raise Failed("no replica derives finance")
    return found


def _drain(stage: _Stage, screen: Screen) -> None:
    marks = stage.view.marks()
    last: list[object] = [None, time.monotonic()]

    def drained(standing: Standing) -> bool:
        for exception in stage.view.left_alone():
            screen.say(f"exception {exception}: a payment without a key, sent by the dead replica, not found; replayed by hand")
            replay(stage.view.store, exception, actor="demo", reason="the ERP's own record has no such payment")
        moving = (standing.outcomes, standing.waiting, standing.exceptions, standing.unknown)
        if moving != last[0]:
            last[:] = [moving, time.monotonic()]
        through = stage.view.through(marks)
        since = last[1]
        still = isinstance(since, float) and time.monotonic() - since > _STUCK_SECONDS
        return through and (standing.waiting == 0 or (standing.exceptions > 0 and still))

    if not stage.wait(_DRAIN_SECONDS, drained):
        raise Failed(f"not drained after {_DRAIN_SECONDS:g} s: {stage.view.standing()}")


def _end(firm: Firm, screen: Screen) -> None:
    for replica in [r for r in firm.replicas if r.exit_code is None]:
        code = replica.terminate(60)
        if code != 0:
            raise Failed(f"replica {replica.pid} ended with {code} after SIGTERM:\n{replica.tail()}")
    screen.say("drained; both replicas stopped by SIGTERM, exit code 0")
    screen.close()
