"""Whatever is killed and whenever, every change arrives exactly once: three seeds for each point of the matrix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.kills import (
    FAILPOINTS,
    POSTMASTERS,
    Point,
    agent_round,
    capture_round,
    capturing,
    postmaster_round,
    verify,
)
from tests.support.estate import Estate
from tests.support.processes import wait_until

pytestmark = pytest.mark.acceptance

SEEDS = (1, 2, 3)
SNAPSHOT = [p for p in FAILPOINTS if p.fresh]
LINE = [p for p in FAILPOINTS if not p.fresh]


def _name(point: Point) -> str:
    return point.name


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", LINE, ids=_name)
def test_an_agent_killed_on_the_line_loses_and_doubles_nothing(
    point: Point, seed: int, estate: Estate
) -> None:
    agent_round(estate, point, seed)
    verify(estate)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", SNAPSHOT, ids=_name)
def test_an_agent_killed_around_its_snapshot_starts_anew_without_a_gap(
    point: Point, seed: int, fresh_estate: Estate
) -> None:
    agent_round(fresh_estate, point, seed)
    verify(fresh_estate)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("which", POSTMASTERS)
def test_an_agent_lives_through_the_crash_of_a_database(which: str, seed: int, estate: Estate) -> None:
    postmaster_round(estate, which, seed)
    verify(estate)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_agent_whose_capture_process_is_killed_starts_another(seed: int, estate: Estate) -> None:
    capture_round(estate, seed)
    verify(estate)


def test_no_capture_process_outlives_its_agent(estate: Estate) -> None:
    agent = estate.start()
    capture = capturing(agent)
    agent.kill()
    wait_until("the capture process is gone", lambda: not Path(f"/proc/{capture}").exists())


def test_a_capture_process_ends_with_the_agent_that_drains(estate: Estate) -> None:
    agent = estate.start()
    estate.wait_until_drained()
    capture = capturing(agent)
    assert estate.stop() == 0
    assert not Path(f"/proc/{capture}").exists()
    assert "capture process ended" not in agent.stderr()
