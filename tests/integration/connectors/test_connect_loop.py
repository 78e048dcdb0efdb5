"""The supervising loop against a real worker: failed tasks start again, a person is called when that does not help."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from agent.connectors.rest import Connect
from agent.connectors.supervise import Rules
from agent.daemon.connect_loop import ConnectLoop
from agent.daemon.loop import Stop, supervise
from agent.observe.health import Health
from agent.observe.metrics import PrometheusObserver
from agent.operations.connect import Managed
from cdc_config.connectors import rendered
from cdc_config.models import ConnectWorker, KafkaSource
from tests.support.connectors import Connectors
from tests.support.processes import wait_until

pytestmark = pytest.mark.stack

RULES = Rules(restarts=2, patience=3600, first_pause=0.2, longest_pause=1, calm=3600)


class Replica:
    """One agent's loop over the connector."""

    def __init__(self, it: Managed, dsn: str, silent: Callable[[], float | None], rules: Rules) -> None:
        self.stop = Stop()
        self.observer = PrometheusObserver(strict=True)
        self.health = Health().loop("connect shop")
        work = ConnectLoop(
            it, lambda: psycopg.connect(dsn, autocommit=True), silent, self.stop, self.observer, self.health,
            rules=rules, every=0.1,
        )  # fmt: skip
        self._thread = threading.Thread(
            target=supervise, args=("connect shop", work.work, self.stop, self.observer, self.health)
        )
        self._thread.start()

    def metric(self, name: str) -> float | None:
        """None: it has not told any."""
        return self.observer.registry.get_sample_value(f"coexist_{name}", {"source": "shop"})

    def end(self) -> None:
        self.stop.set()
        self._thread.join(30)


class Scene:
    """A connector with a user of its own, whose password can be spoilt and mended."""

    def __init__(self, it: Managed, db: psycopg.Connection, store: psycopg.Connection, connectors: Connectors) -> None:
        self.it, self.store, self._db, self._connectors = it, store, db, connectors

    def password(self, password: str) -> None:
        self._db.execute(f"ALTER ROLE {self.it.connector.user} PASSWORD '{password}'")

    def fail(self) -> None:
        """Have its task fail: it is started again and cannot log in."""
        self.password("another")
        Connect(self.it.worker).restart(self.it.name, only_failed=False)

    def exceptions(self) -> list[tuple[str, str]]:
        """(code, state) of all there were."""
        return self.store.execute(
            "SELECT code, state FROM coexist.exception WHERE stage = 'capture' ORDER BY exception_id"
        ).fetchall()

    def failed(self) -> bool:
        return "FAILED" in self._connectors.states(self.it.name)

    def runs(self) -> bool:
        return set(self._connectors.states(self.it.name)) == {"RUNNING"}

    @contextmanager
    def replica(self, silent: float | None = 0.0, rules: Rules = RULES) -> Iterator[Replica]:
        info = self.store.info
        dsn = f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
        replica = Replica(self.it, dsn, lambda: silent, rules)
        try:
            yield replica
        finally:
            replica.end()


@pytest.fixture
def scene(
    new_database: str, postgres_source: KafkaSource, connectors: Connectors, store: psycopg.Connection
) -> Iterator[Scene]:
    at, user = urlsplit(new_database), f"debezium_{postgres_source.slot}"
    assert postgres_source.connector is not None
    assert postgres_source.connect is not None
    connector = postgres_source.connector.model_copy(update={"user": user})
    it = Managed("shop", postgres_source, postgres_source.connect, connector)
    with psycopg.connect(new_database, autocommit=True) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{at.password}'")
        connectors.put(it.name, rendered("shop", postgres_source, connector, [("public", "t")]))
        yield Scene(it, db, store, connectors)
        connectors.delete(it.name)
        db.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")


def test_a_task_that_failed_starts_again_when_its_cause_is_gone(scene: Scene, new_database: str) -> None:
    with scene.replica() as replica:
        wait_until("the connector is up", lambda: replica.metric("connector_up") == 1)
    scene.fail()
    wait_until("its task has failed", scene.failed, 90)
    scene.password(urlsplit(new_database).password or "")
    with scene.replica() as replica:
        wait_until("it runs again", scene.runs, 60)
        wait_until("that is told", lambda: replica.metric("connector_up") == 1)
        assert replica.metric("connector_restarts_total") == 1
        assert replica.metric("connector_task_failed") == 0
    assert scene.exceptions() == []


def test_after_the_last_restart_a_person_is_called_once_and_may_mend_it(scene: Scene, new_database: str) -> None:
    scene.fail()
    wait_until("its task has failed", scene.failed, 90)
    with scene.replica() as replica:
        wait_until("a person is called", lambda: scene.exceptions() == [("connector_failed", "open")], 120)
        assert replica.metric("connector_restarts_total") == 2
        assert replica.metric("connector_task_failed") == 1
        (message, remedy) = scene.store.execute("SELECT message, remedy FROM coexist.exception").fetchone() or ("", "")
        assert "password authentication failed" in message
        assert remedy.endswith("`coexist connect restart shop`")
    with scene.replica() as successor:
        wait_until("it has looked", lambda: successor.metric("connector_task_failed") == 1)
        assert successor.metric("connector_restarts_total") is None  # it does not begin to count anew
        scene.password(urlsplit(new_database).password or "")
        Connect(scene.it.worker).restart(scene.it.name)
        wait_until("that is seen", lambda: scene.exceptions() == [("connector_failed", "closed")], 60)


def test_of_two_replicas_one_looks_and_the_other_takes_over_when_it_is_gone(scene: Scene) -> None:
    with scene.replica() as first:
        wait_until("the first looks", lambda: first.metric("connector_up") == 1)
        with scene.replica() as second:
            scene.fail()
            wait_until("a person is called", lambda: bool(scene.exceptions()), 120)
            assert first.metric("connector_restarts_total") == 2
            assert second.metric("connector_task_failed") is None
            first.end()
            wait_until("the second looks", lambda: second.metric("connector_task_failed") == 1)
            assert second.metric("connector_restarts_total") is None


def test_a_connector_that_is_said_to_run_and_is_silent_is_stuck(scene: Scene) -> None:
    with scene.replica(silent=7200, rules=Rules(2, patience=0.5)) as replica:
        wait_until("a person is called", lambda: scene.exceptions() == [("connector_stuck", "open")])
        assert replica.metric("connector_up") == 0
        assert replica.metric("connector_restarts_total") is None


def test_a_worker_that_is_away_does_not_end_the_loop_and_is_told_when_nothing_comes(scene: Scene) -> None:
    gone = Managed("shop", scene.it.settings, ConnectWorker(url="http://127.0.0.1:9"), scene.it.connector)
    scene.it = gone
    with scene.replica(silent=7200, rules=Rules(2, patience=0.5)) as replica:
        wait_until("a person is called", lambda: scene.exceptions() == [("connector_stuck", "open")])
        assert not replica.stop.is_set()
