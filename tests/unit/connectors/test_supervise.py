"""When a failed connector is started again, and when a person is called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.connectors.state import ConnectorState, TaskState
from agent.connectors.supervise import Action, Memory, Rules, Seen, Verdict, decide, pause
from cdc_config.base import SecretRef
from cdc_config.models import Connector, KafkaConnection, KafkaSource

RULES = Rules(restarts=3, patience=100, first_pause=10, longest_pause=60, calm=600)


def state(*tasks: str, connector: str = "RUNNING") -> ConnectorState:
    traces = {"FAILED": "no such table"}
    found = [TaskState(n, task, "w:1", traces.get(task, "")) for n, task in enumerate(tasks)]
    return ConnectorState("c", connector, "w:1", tuple(found))


WELL, BROKEN = state("RUNNING"), state("FAILED")


def run(seen: Sequence[Seen], rules: Rules = RULES, memory: Memory | None = None) -> list[Verdict]:
    memory, verdicts = memory or Memory(), []
    for look in seen:
        memory, verdict = decide(rules, memory, look)
        verdicts.append(verdict)
    return verdicts


def actions(seen: Sequence[Seen], rules: Rules = RULES, memory: Memory | None = None) -> list[Action]:
    return [verdict.action for verdict in run(seen, rules, memory)]


def test_a_connector_that_runs_and_is_heard_of_is_left_alone() -> None:
    assert run([Seen(n * 5.0, WELL, 3.0) for n in range(300)]) == [Verdict("none", up=True)] * 300


def test_failed_tasks_are_started_again_with_growing_pauses_until_the_cap_and_then_a_person_is_called() -> None:
    told = actions([Seen(float(second), BROKEN, None) for second in range(100)])
    assert [n for n, action in enumerate(told) if action == "restart"] == [0, 10, 30]
    assert told[31] == "give_up"
    assert run([Seen(0, BROKEN, 1.0)], Rules(0, 100))[0].why == "it failed: no such table"


def test_a_connector_that_failed_itself_is_started_again_though_it_has_no_tasks() -> None:
    assert actions([Seen(0, state(connector="FAILED"), 1.0)]) == ["restart"]


def test_after_a_while_of_good_work_the_count_begins_anew_and_not_before() -> None:
    def worked(seconds: int) -> list[Action]:
        tries = [Seen(float(t), BROKEN, 1.0) for t in range(40)]
        good = [Seen(40.0 + t, WELL, 1.0) for t in range(seconds)]
        return actions([*tries, *good, Seen(40.0 + seconds, BROKEN, 1.0)])

    assert worked(600)[-1] == "give_up"
    assert worked(602)[-1] == "restart"


def test_what_a_person_repaired_is_told_to_have_recovered_once() -> None:
    assert actions([Seen(0, WELL, 1.0), Seen(5, WELL, 1.0)], memory=Memory(3, 0.0, complained=True)) == ["recovered", "none"]


def test_a_connector_that_is_held_on_purpose_is_neither_restarted_nor_stuck() -> None:
    for held in (state("PAUSED", connector="PAUSED"), state(connector="STOPPED")):
        assert actions([Seen(t, held, t) for t in (0.0, 1000.0, 9000.0)]) == ["none"] * 3


def test_running_and_silent_for_too_long_is_stuck_whatever_the_worker_says() -> None:
    told = run([Seen(t, WELL, 50 + t) for t in (0.0, 45.0, 90.0, 120.0)])
    assert [v.action for v in told] == ["none", "none", "none", "stuck"]
    assert not told[-1].up
    assert told[-1].why == "it is said to be RUNNING/RUNNING, and nothing was heard of it for 170 s"
    assert actions([Seen(t, WELL, None) for t in (0.0, 90.0, 120.0)]) == ["none", "none", "stuck"]


def test_a_stuck_connector_stays_so_until_it_is_heard_of() -> None:
    looks = [Seen(0, WELL, 0), Seen(101, WELL, 101), Seen(106, WELL, 106), Seen(111, WELL, 1), Seen(116, WELL, 6)]
    assert actions(looks) == ["none", "stuck", "stuck", "recovered", "none"]


def test_after_a_restart_it_gets_the_time_to_say_something() -> None:
    looks = [Seen(0, BROKEN, 500), Seen(5, WELL, 505), Seen(100, WELL, 600), Seen(106, WELL, 606)]
    assert actions(looks) == ["restart", "none", "none", "stuck"]


def test_a_worker_that_is_away_matters_only_when_nothing_comes_any_more() -> None:
    heard = run([Seen(t, None, 20.0, reachable=False) for t in (0.0, 500.0)])
    assert [v.action for v in heard] == ["none", "none"]
    deaf = run([Seen(t, None, 300 + t, reachable=False) for t in (0.0, 50.0, 101.0)])
    assert [v.action for v in deaf] == ["none", "none", "stuck"]
    assert "cannot be reached" in deaf[-1].why


def test_a_task_that_nobody_runs_is_waited_for_and_then_told() -> None:
    looks = [Seen(t, state("UNASSIGNED"), 200 + t) for t in (0.0, 50.0, 101.0)]
    assert [v.action for v in run(looks)] == ["none", "none", "stuck"]


def test_a_connector_that_is_not_there_is_told() -> None:
    assert actions([Seen(0, None, None)]) == ["missing"]


@pytest.mark.parametrize(
    ("database", "properties", "patience"),
    [("postgres", {}, 120), ("mariadb", {}, 144), ("mariadb", {"connect.keep.alive.interval.ms": "100000"}, 240)],
)
def test_patience_is_three_times_the_silence_of_an_idle_source(
    database: str, properties: dict[str, str], patience: float
) -> None:
    connector = Connector(hostname="h", user="u", password="${env:X}", properties=properties)
    source = KafkaSource.model_validate({
        "capture": "kafka", "database": database, "dsn": SecretRef(env="X"),
        "kafka": KafkaConnection(bootstrap_servers="k:1"), "connector": connector,
    })  # fmt: skip
    assert Rules.of(source).patience == pytest.approx(patience)


STATES = st.sampled_from([
    WELL, BROKEN, state("UNASSIGNED"), state("PAUSED", connector="PAUSED"), state(connector="STOPPED"),
    state("RUNNING", connector="FAILED"), state("RESTARTING"), None,
])  # fmt: skip
LOOKS = st.lists(
    st.tuples(st.floats(0.1, 400), STATES, st.none() | st.floats(0, 500), st.booleans()), min_size=1, max_size=120
)


def _seen(looks: Sequence[tuple[float, ConnectorState | None, float | None, bool]]) -> list[Seen]:
    at, found = 0.0, []
    for step, found_state, silent, reachable in looks:
        at += step
        found.append(Seen(at, found_state, silent, reachable or found_state is not None))
    return found


@given(looks=LOOKS, restarts=st.integers(0, 5))
def test_never_more_restarts_than_the_cap_in_any_stretch_as_long_as_the_calm(
    looks: list[tuple[float, ConnectorState | None, float | None, bool]], restarts: int
) -> None:
    rules = Rules(restarts, patience=100, first_pause=10, longest_pause=60, calm=600)
    seen = _seen(looks)
    at = [look.at for look, verdict in zip(seen, run(seen, rules), strict=True) if verdict.action == "restart"]
    for first in at:
        assert sum(first <= other < first + rules.calm for other in at) <= restarts


@given(looks=LOOKS)
def test_only_what_failed_is_restarted_only_what_runs_is_up_and_recovery_follows_a_complaint(
    looks: list[tuple[float, ConnectorState | None, float | None, bool]],
) -> None:
    seen, complained = _seen(looks), False
    for look, verdict in zip(seen, run(seen), strict=True):
        broken = look.state is not None and (look.state.state == "FAILED" or bool(look.state.failed))
        assert (verdict.action in ("restart", "give_up")) <= broken
        assert verdict.up <= (not broken)
        if verdict.action == "recovered":
            assert complained
            complained = False
        complained = complained or verdict.action in ("give_up", "stuck", "missing")


@given(n=st.integers(0, 10_000))
def test_pauses_grow_to_a_limit(n: int) -> None:
    assert pause(RULES, n) <= pause(RULES, n + 1) <= RULES.longest_pause
