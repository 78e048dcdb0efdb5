"""When is a failed connector started again, and when must a person look? Decided from what was seen, without a clock (pure).

Failed tasks are started again with growing pauses, at most `restarts` times before the connector has run well for
`calm` seconds; then a person has to look. RUNNING is only what the worker remembers: whether it works is judged by what
the agent still hears from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from agent.connectors.state import FAILED, ConnectorState
from cdc_config.connectors import silent_seconds
from cdc_config.models import KafkaSource

_CALM = 600.0

Action = Literal["none", "restart", "give_up", "stuck", "missing", "recovered"]


@dataclass(frozen=True, slots=True)
class Rules:
    """restarts: at most so many until it has run well for `calm` seconds. patience: seconds without a sign of life."""

    restarts: int
    patience: float
    first_pause: float = 5.0
    longest_pause: float = 300.0
    calm: float = _CALM

    @classmethod
    def of(cls, source: KafkaSource) -> Rules:
        """For one source: an idle connector is silent for a while, three times that is too long."""
        restarts = source.connector.restarts if source.connector is not None else 0
        patience = max(120.0, 3 * silent_seconds(source))
        return cls(restarts, patience, calm=max(_CALM, patience))


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. at: seconds on a clock that only goes on. state None: no such connector; reachable False: nobody could say.

    silent: seconds since the agent last heard anything of the connector; None: it never has.
    """

    at: float
    state: ConnectorState | None
    silent: float | None
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class Memory:
    """What was before. complained: an exception is open. well_since: it has run and told of itself since then."""

    restarts: int = 0
    restarted_at: float = 0.0
    well_since: float | None = None
    unwell_since: float | None = None
    complained: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now. up: it runs and is heard of. failed: tasks that failed. why: for people."""

    action: Action
    up: bool
    failed: int = 0
    why: str = ""


def decide(rules: Rules, memory: Memory, seen: Seen) -> tuple[Memory, Verdict]:
    """The next action and what to remember of it. An action is told once; `stuck` and `give_up` again as long as they hold."""
    state = seen.state
    if state is not None and state.held:
        # Somebody holds it on purpose: neither well nor ill, and what was complained of stands.
        return replace(memory, well_since=None, unwell_since=None), Verdict("none", up=False)
    if state is not None and (state.state == FAILED or state.failed):
        return _failed(rules, replace(memory, well_since=None, unwell_since=None), seen, state)
    if seen.reachable and state is None:
        complained = replace(memory, well_since=None, complained=True)
        return complained, Verdict("missing", up=False, why="Kafka Connect has no such connector")
    if state is not None and state.running and not _silent_for_long(rules, memory, seen):
        return _well(rules, memory, seen)
    return _quiet(rules, memory, seen)


def pause(rules: Rules, restarts: int) -> float:
    """Seconds from a restart to the next one, when there were so many in a row."""
    return 0.0 if restarts == 0 else min(rules.longest_pause, rules.first_pause * 2.0 ** min(restarts - 1, 30))


def _failed(rules: Rules, memory: Memory, seen: Seen, state: ConnectorState) -> tuple[Memory, Verdict]:
    failed = len(state.failed)
    if memory.restarts >= rules.restarts:
        why = f"it failed again after {memory.restarts} restarts: {state.why}" if memory.restarts else f"it failed: {state.why}"
        return replace(memory, complained=True), Verdict("give_up", up=False, failed=failed, why=why)
    if seen.at - memory.restarted_at < pause(rules, memory.restarts):
        return memory, Verdict("none", up=False, failed=failed, why=state.why)
    again = replace(memory, restarts=memory.restarts + 1, restarted_at=seen.at)
    return again, Verdict("restart", up=False, failed=failed, why=state.why)


def _well(rules: Rules, memory: Memory, seen: Seen) -> tuple[Memory, Verdict]:
    since = seen.at if memory.well_since is None else memory.well_since
    restarts = 0 if seen.at - since >= rules.calm else memory.restarts
    action: Action = "recovered" if memory.complained and _heard(rules, seen) else "none"
    complained = memory.complained and action == "none"
    remembered = replace(memory, restarts=restarts, well_since=since, unwell_since=None, complained=complained)
    return remembered, Verdict(action, up=True)


def _quiet(rules: Rules, memory: Memory, seen: Seen) -> tuple[Memory, Verdict]:
    """It does not fail, and does not get anywhere either; or Kafka Connect itself is away."""
    since = seen.at if memory.unwell_since is None else memory.unwell_since
    remembered = replace(memory, well_since=None, unwell_since=since)
    heard = seen.silent is not None and seen.silent <= rules.patience
    running = seen.state is not None and seen.state.running
    if heard or (not running and seen.at - since <= rules.patience):
        return remembered, Verdict("none", up=heard)
    why = "Kafka Connect cannot be reached" if not seen.reachable else f"it is said to be {_states(seen.state)}"
    silence = "ever" if seen.silent is None else f"for {seen.silent:.0f} s"
    return replace(remembered, complained=True), Verdict("stuck", up=False, why=f"{why}, and nothing was heard of it {silence}")


def _silent_for_long(rules: Rules, memory: Memory, seen: Seen) -> bool:
    """A connector that has just come up is given the time that a silent one has."""
    up_for = 0.0 if memory.well_since is None else seen.at - memory.well_since
    known_ill = memory.well_since is None and memory.unwell_since is not None
    return not _heard(rules, seen) and (known_ill or up_for > rules.patience)


def _heard(rules: Rules, seen: Seen) -> bool:
    return seen.silent is not None and seen.silent <= rules.patience


def _states(state: ConnectorState | None) -> str:
    return "gone" if state is None else "/".join([state.state, *(task.state for task in state.tasks)])
