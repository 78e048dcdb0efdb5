"""The story: load, work, lose a reply, die with work in flight, come back, drain, stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.cli.demo.estate import Estate
from agent.cli.demo.report import Failed, Told
from agent.cli.demo.screen import Frame, Screen
from agent.cli.demo.users import Users
from agent.cli.demo.view import Standing, View
from agent.operations.exceptions import replay

_EVERY = 0.12
_DRAIN_SECONDS = 90.0
_STUCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the users work, and how fast."""

    seconds: float
    rate: float

    @property
    def dead(self) -> float:
        """How long the agent stays dead."""
        return max(1.5, min(5.0, self.seconds * 0.2))


class _Stage:
    """Waits while the numbers are shown, and notices when the agent ends by itself."""

    def __init__(self, estate: Estate, screen: Screen) -> None:
        self._estate = estate
        self._screen = screen
        self._view: View | None = estate.view
        self.users: Users | None = None

    @property
    def view(self) -> View:
        """The store and the source, to look at."""
        view = self._view or self._estate.view
        assert view is not None, "the store is not open"
        return view

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

    def _show(self, standing: Standing) -> None:
        agent = self._estate.agent
        code = None if agent is None else agent.exit_code
        if agent is not None and code not in (None, -9):
            raise Failed(f"the agent ended by itself with {code}:\n{agent.tail()}")
        state = (
            "not started" if agent is None else f"killed (was {agent.pid})" if code else f"pid {agent.pid}"
        )
        committed = self.users.committed if self.users else 0
        self._screen.show(Frame(standing, state, committed, standing.lag(self.view.source_lsn())))


def tell(estate: Estate, screen: Screen, pace: Pace, seed: int) -> Told:
    """Everything up to the drained, stopped agent. Raises Failed when it did not happen as told."""
    _begin(estate, screen, seed)
    stage = _Stage(estate, screen)
    estate.start_agent()
    screen.say(f"agent started: {_command(estate)}")
    if not stage.wait(_DRAIN_SECONDS, lambda s: s.ready and s.underived == 0 and not s.queue):
        raise Failed("the book did not arrive at the ERP in time")
    screen.say(f"the book is at the ERP: {stage.view.standing().calls:,} calls, each accepted or asked about")
    users = Users(estate.source_dsn, seed=seed, rate=pace.rate)
    stage.users = users
    try:
        users.start()
        told = _work_and_die(estate, screen, stage, pace)
    finally:
        users.stop()
    screen.say(f"the users went home after {users.committed:,} transactions; draining")
    _drain(stage, screen)
    assert estate.agent is not None, "no agent"
    code = estate.agent.terminate()
    if code != 0:
        raise Failed(f"the agent ended with {code} after SIGTERM:\n{estate.agent.tail()}")
    screen.say("drained; agent stopped by SIGTERM, exit code 0")
    screen.close()
    return told


def _begin(estate: Estate, screen: Screen, seed: int) -> None:
    screen.say("starting a legacy finance database (PostgreSQL, wal_level=logical)")
    rows = estate.start_source(seed)
    screen.say(f"legacy book loaded: {rows:,} rows")
    pid = estate.start_erp()
    screen.say(f"ERP sandbox at {estate.erp_url} (pid {pid})")
    estate.open_store()
    screen.say("store started")


def _work_and_die(estate: Estate, screen: Screen, stage: _Stage, pace: Pace) -> Told:
    screen.say(f"users at work in the legacy system, about {pace.rate:g} transactions a second")
    began = time.monotonic()
    stage.wait(pace.seconds * 0.12)
    estate.fault("drop_after")
    screen.say("the ERP will do the next write and lose its reply: an unknown outcome")
    stage.wait(10, lambda _: estate.faults_fired() > 0)
    stage.wait(pace.seconds * 0.2)
    captured_dead, killed = _kill(estate, screen, stage)
    committed = stage.users.committed if stage.users else 0
    stage.wait(pace.dead)
    missed = (stage.users.committed if stage.users else 0) - committed
    estate.mend()
    agent = estate.start_agent()
    screen.say(f"agent started again (pid {agent.pid}) after {missed:,} transactions without it")
    stage.wait(max(1.0, pace.seconds - (time.monotonic() - began)))
    return Told(kills=killed, captured_at_kill=captured_dead)


def _kill(estate: Estate, screen: Screen, stage: _Stage) -> tuple[int, int]:
    """SIGKILL while the ERP has done a write and not answered yet. (captured by then, kills)"""
    estate.mend()
    estate.fault("stall", count=2, seconds=8)
    if not stage.wait(20, lambda _: estate.faults_fired() > 0):
        raise Failed("no write was in flight for 20 seconds")
    assert estate.agent is not None, "no agent"
    pid = estate.agent.pid
    code = estate.agent.kill()
    calls = ", ".join(f"{n} {name}" for name, n in stage.view.in_flight().items())
    screen.say(f"kill -9 {pid}: the agent is gone, with calls in flight: {calls or 'none'}")
    return stage.view.standing().captured, int(code == -9)


def _drain(stage: _Stage, screen: Screen) -> None:
    lsn = stage.view.mark()
    last: list[object] = [None, time.monotonic()]

    def drained(standing: Standing) -> bool:
        for exception in stage.view.left_alone():
            _decide(stage.view, screen, exception)
        moving = (standing.outcomes, standing.waiting, standing.exceptions, standing.unknown)
        if moving != last[0]:
            last[:] = [moving, time.monotonic()]
        done = standing.through(lsn) and standing.waiting == 0
        # What waits behind an open exception waits for a person: the comparison will say what is missing.
        stuck = standing.exceptions > 0 and standing.through(lsn) and _still(last[1])
        return done or stuck

    if not stage.wait(_DRAIN_SECONDS, drained):
        raise Failed(f"not drained after {_DRAIN_SECONDS:g} s: {stage.view.standing()}")


def _still(since: object) -> bool:
    return isinstance(since, float) and time.monotonic() - since > _STUCK_SECONDS


def _decide(view: View, screen: Screen, exception: int) -> None:
    """Play the person: nothing was found at an ERP that would have taken it, so it never arrived."""
    screen.say(
        f"exception {exception}: a payment without a key, sent by the dead agent and not found; replayed by hand"
    )
    replay(view.store, exception, actor="demo", reason="the ERP's own record has no such payment")


def _command(estate: Estate) -> str:
    return f"coexist --config {estate.config} run (pid {estate.agent.pid if estate.agent else '?'})"
