"""Finance and PSA at once, through Kafka and two replicas into one ERP: all three sides agree by their own records."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.psa.activity import Activity
from sandbox.psa.operations import OPERATIONS
from tests.acceptance.kafka_kills import must_work, the_leader, two_replicas
from tests.acceptance.kills import Report, settle, wrongs
from tests.support.estate import Servers
from tests.support.kafka_firm import FirmStack, KafkaFirm
from tests.support.users import HARD, Users

pytestmark = [pytest.mark.acceptance, pytest.mark.stack]
# What foreign keys act upon, what is renumbered, what is approved and corrected afterwards, what goes and comes back.
TELLING = {
    "client_renumber", "engagement_renumber", "engagement_delete", "task_renumber", "task_delete", "task_comes_back",
    "sheet_new", "sheet_move", "sheet_approve", "sheet_reject", "sheet_fix", "sheet_delete", "sheet_comes_back",
    "sheet_renumber",
}  # fmt: skip
WEIGHTS = {name: weight for name, (_, weight) in OPERATIONS.items()} | dict.fromkeys(TELLING, 4.0)


@pytest.fixture(scope="module")
def stack() -> Iterator[FirmStack]:
    """Broker, worker and MariaDB of this module."""
    made = FirmStack(Path(tempfile.mkdtemp(prefix="coexist-firm-stack-")))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def firm(servers: Servers, stack: FirmStack) -> Iterator[KafkaFirm]:
    """A fresh one, its connectors running, no agent yet."""
    with KafkaFirm(servers, stack) as made:
        yield made


def test_finance_and_psa_end_in_one_erp_as_they_are(firm: KafkaFirm) -> None:
    two_replicas(firm)
    with Users(firm.source_dsn, seed=1, weights=HARD) as users, Activity(firm.psa_dsn, seed=1, weights=WEIGHTS) as psa:
        must_work(firm, "the books")
        psa.steps(150)
        the_leader(firm).kill()
        psa.steps(150)
        users.go_on(20)
        must_work(firm, "with one replica left")
        firm.start_replica()
        done = psa.steps(200).operations
    assert set(done) >= TELLING
    settle(firm, Report("firm", 1), 180)
    said = wrongs(firm)
    assert not said, "\n".join(said)
    rows = {(row.entity, row.currency): row for row in firm.compare().rows}
    assert rows["time sheet approved", "h"].target_amount > 0
    assert rows["payment", "EUR"].target_amount > 0
    assert set(firm.stop_replicas()) == {0}, firm.tail()
