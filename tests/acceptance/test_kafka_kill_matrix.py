"""Through Kafka and with two replicas: whatever is killed or frozen, every change arrives exactly once."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.acceptance.kafka_kills import TROUBLES, kill_leader, leads, must_work, round_of
from tests.acceptance.kills import FAILPOINTS, Point, Report, must_die_at, settle, wrongs
from tests.acceptance.test_sabotage import NEW
from tests.support.estate import Servers
from tests.support.kafka_estate import KafkaEstate, Stack
from tests.support.processes import wait_until
from tests.support.users import HARD, Users

pytestmark = [pytest.mark.acceptance, pytest.mark.stack, pytest.mark.kafka_kills]

SEEDS = (1, 2)
LINE = [p for p in FAILPOINTS if not p.fresh]


# guard → what is seen without it (a pattern)
SABOTAGED = {"topic_read_from_its_end": r"at the ERP", "several_read_at_a_time": r"inbox_(txn_)?pkey"}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Broker and worker of this test process, to be killed."""
    root = Path(tempfile.mkdtemp(prefix="coexist-killed-stack-"))
    made = Stack(root)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def estate(servers: Servers, stack: Stack) -> Iterator[KafkaEstate]:
    """A fresh one, its connector running, no agent yet."""
    with KafkaEstate(servers, stack) as made:
        yield made


def verify(estate: KafkaEstate) -> None:
    """Both sides agree by their own records, the ledgers balance, and every replica ends cleanly."""
    said = wrongs(estate)
    assert not said, "\n".join(said)
    codes = estate.stop_replicas()
    assert set(codes) == {0}, estate.tail()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_two_replicas_lose_and_double_nothing_when(
    trouble: Callable[[KafkaEstate, Users, Random], None], seed: int, estate: KafkaEstate
) -> None:
    round_of(estate, trouble.__name__, seed, trouble)
    verify(estate)


@pytest.mark.parametrize("point", LINE, ids=lambda point: point.name)
def test_a_replica_killed_on_the_line_is_replaced_by_its_twin(point: Point, estate: KafkaEstate) -> None:
    report = Report(point.name, 1)
    rng = Random(point.name)
    with Users(estate.source_dsn, seed=1, weights=HARD) as users:
        if point.before is not None:
            point.before(estate)
        doomed = estate.start_replica(f"{point.name}:{rng.randint(point.least, point.most)}")
        wait_until("it leads, or is dead already", lambda: doomed.exit_code is not None or leads(estate, doomed), 60)
        estate.start_replica()
        must_die_at(doomed, point.name)
        users.go_on(5)
        must_work(estate, "with one replica left")
        report.transactions = users.stop()
    settle(estate, report, 120)
    verify(estate)


@pytest.mark.sabotage
@pytest.mark.parametrize(("guard", "seen"), SABOTAGED.items())
def test_a_missing_guard_of_replicas_is_seen_when_one_is_killed(guard: str, seen: str, estate: KafkaEstate) -> None:
    entry = (sys.executable, "-m", "tests.acceptance.sabotage", guard)
    try:
        round_of(estate, guard, 1, kill_leader, entry=entry, weights=NEW)
        said = "\n".join(wrongs(estate))
    except AssertionError as error:
        said = f"{error}\n{estate.tail()}\n" + "\n".join(wrongs(estate))
    assert re.search(seen, said), said
