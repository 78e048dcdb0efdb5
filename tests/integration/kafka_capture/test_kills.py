"""A killed worker; snapshots begun anew or taken in mid-life: nothing lost, doubled or torn, by both sides' own records."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.errors import SnapshotAhead, SourceUnavailable
from agent.model.changes import ResumePoint
from agent.model.ids import CommitPos
from agent.ports import Capture
from sandbox.stack.connect import Worker
from sandbox.stack.kafka import Broker
from sandbox.stack.mariadb import MariaDb
from tests.support.connectors import Connectors
from tests.support.kafka_sources import KafkaWorld, kafka_world, mariadb_source, postgres_source
from tests.support.processes import wait_until
from tests.support.recordings import Mirror
from tests.support.stack import NewTopicMaker
from tests.support.topics import read_topic

pytestmark = [pytest.mark.stack, pytest.mark.kafka_kills]
_numbers = itertools.count(7000)
HUGE = 30_000
CREATE = "CREATE TABLE t (id int PRIMARY KEY, batch int NOT NULL, note varchar(120) NOT NULL)"


@dataclass
class Source:
    """One database with table t, and its world. connect: another connection that runs statements."""

    world: KafkaWorld
    execute: Callable[[str], Any]
    connect: Callable[[], Any]
    huge: str  # one statement that inserts HUGE rows with ids from 1000000


@pytest.fixture
def postgres(broker: Broker, connectors: Connectors, new_database: str) -> Iterator[Source]:
    """PostgreSQL."""
    source = postgres_source(broker.bootstrap, new_database)
    huge = f"INSERT INTO t SELECT 1000000 + n, -1, repeat('x', 100) FROM generate_series(1, {HUGE}) n"
    with (
        psycopg.connect(new_database, autocommit=True) as conn,
        kafka_world("t", source, new_database, (("public", "t"),), connectors) as world,
    ):
        conn.execute(CREATE)
        yield Source(
            world, lambda text: conn.execute(text.encode()), lambda: _psycopg(new_database), huge
        )


@pytest.fixture
def maria(broker: Broker, mariadb: MariaDb, connectors: Connectors, new_mariadb_database: str) -> Iterator[Source]:
    """MariaDB."""
    name = new_mariadb_database
    source = mariadb_source(broker.bootstrap, mariadb, name, next(_numbers))
    huge = f"INSERT INTO t SELECT 1000000 + seq, -1, REPEAT('x', 100) FROM seq_1_to_{HUGE}"
    with (
        mariadb.connect(database=name) as conn, conn.cursor() as cursor,
        kafka_world("t", source, mariadb.dsn(mariadb.connector, name), ((name, "t"),), connectors) as world,
    ):  # fmt: skip
        cursor.execute(CREATE)

        @contextmanager
        def connect() -> Iterator[Callable[[str], Any]]:
            with mariadb.connect(database=name) as other, other.cursor() as own:
                yield own.execute

        yield Source(world, cursor.execute, connect, huge)


@pytest.fixture(params=["postgres", "maria"])
def source(request: pytest.FixtureRequest) -> Source:
    """Each database in turn."""
    made: Source = request.getfixturevalue(request.param)
    return made


@contextmanager
def _psycopg(dsn: str) -> Iterator[Callable[[str], Any]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield lambda text: conn.execute(text.encode())


@dataclass
class Line:
    """What intake would do: the stream taken into a mirror; a new snapshot read where one is ahead."""

    world: KafkaWorld
    mirror: Mirror = field(default_factory=Mirror)
    snapshots: int = 0

    def snapshot(self, after: CommitPos | None = None) -> None:
        """The newest; what is begun anew is forgotten."""
        capture: Capture = self.world.capture()
        fresh = Mirror()
        for batch in capture.snapshot(after):
            if batch.anew:
                fresh = Mirror()
            fresh.take([batch])
        fresh.captured += self.mirror.captured
        self.mirror, self.snapshots = fresh, self.snapshots + 1

    def until(self, enough: Callable[[Mirror], bool], seconds: float = 90.0, **settings: Any) -> None:
        """Follow until there is enough; begins again as the agent would."""

        def followed() -> bool:
            try:
                for batch in self.world.capture(**settings).stream(self._resume()):
                    self.mirror.take([batch])
                    whole = all(piece.complete for piece in batch.slices)
                    if enough(self.mirror) and whole:
                        return True
            except SnapshotAhead:
                self.snapshot(CommitPos(self.mirror.position))
            except SourceUnavailable:
                pass
            return enough(self.mirror)

        wait_until("the stream has told enough", followed, seconds)

    def _resume(self) -> ResumePoint:
        return self.mirror.resume()

    def rows(self) -> dict[str, tuple[str, str]]:
        """The table as told."""
        found = self.mirror.contents.get("t", {}).values()
        return {str(row["id"]): (str(row["batch"]), str(row["note"])) for row in found}


def held(source: Source) -> dict[str, tuple[str, str]]:
    """The table as the database has it."""
    with source.connect() as execute:
        found = execute("SELECT id, batch, note FROM t")
        rows = found if not isinstance(found, int) else execute.__self__.fetchall()
    return {str(row[0]): (str(row[1]), str(row[2])) for row in rows}


def test_a_worker_killed_under_load_and_in_a_huge_transaction_loses_doubles_and_tears_nothing(
    source: Source, connect_worker: Worker, broker: Broker
) -> None:
    world, line = source.world, Line(source.world)
    source.execute("INSERT INTO t VALUES (0, 0, 'first')")
    world.connect()
    line.snapshot()
    stop = threading.Event()

    def load() -> None:
        with source.connect() as execute:
            for number in itertools.count(1):
                execute("BEGIN")
                for n in range(3):
                    execute(f"INSERT INTO t VALUES ({number * 3 + n}, {number}, 'n')")
                execute(f"UPDATE t SET note = 'u' WHERE batch = {number - 1}")
                execute("COMMIT")
                if stop.wait(0.01):
                    return

    thread = threading.Thread(target=load)
    thread.start()
    try:
        line.until(lambda m: len(m.contents["t"]) > 30)
        connect_worker.kill()
        connect_worker.start()
        line.until(lambda m: len(m.contents["t"]) > 200)
    finally:
        stop.set()
        thread.join()
    source.execute(source.huge)
    # In the middle of it, when some of its rows are in the topic.
    read_topic(broker.bootstrap, world.topic, lambda records: any(_huge(r.payload) for r in records[-3000:]))
    connect_worker.kill()
    connect_worker.start()
    source.execute("INSERT INTO t VALUES (-1, 0, 'last')")
    line.until(lambda m: ("-1",) in m.contents["t"], max_slice_rows=4000)
    assert line.rows() == held(source)
    told = line.mirror.transactions[1:]
    assert {len(t) for t in told if t[0].op == "c" and len(t) not in (1, HUGE)} <= {4, 6}
    assert [len(t) for t in told if len(t) >= 1000] == [HUGE]
    assert line.mirror.captured == sum(map(len, line.mirror.transactions))
    ids = [c.new[0] for t in told for c in t if c.op == "c" and c.new]
    assert len(ids) == len(set(ids))


def _is(payload: Any, key: int) -> bool:
    return isinstance(payload, dict) and payload.get("op") == "c" and payload["after"]["id"] == key


def _streams(kept: Any) -> bool:
    return any("snapshot" not in one["offset"] for one in kept["offsets"])


def _huge(payload: Any) -> bool:
    return isinstance(payload, dict) and payload.get("op") == "c" and payload["after"]["batch"] == -1


def test_a_connector_that_tells_again_what_it_told_doubles_nothing(
    broker: Broker, stack_directory: Path, connect_environment: dict[str, str], new_database: str, new_topic: NewTopicMaker
) -> None:
    # A worker without exactly-once, killed: all since it last kept its offsets comes again.
    settings = {"exactly.once.source.support": "disabled", "offset.flush.interval.ms": 5_000}
    mine = Worker(
        stack_directory / "again", broker.bootstrap, group="again", environment=connect_environment, settings=settings
    )
    source = postgres_source(broker.bootstrap, new_database)
    with mine, psycopg.connect(new_database, autocommit=True) as conn:
        conn.execute(CREATE)
        client = Connectors(mine.url)
        with kafka_world("t", source, new_database, (("public", "t"),), client) as world:
            world.connect(exactly__once__support="requested")
            line = Line(world)
            line.snapshot()
            offsets = f"/connectors/{world.topic}/offsets"
            wait_until("its offsets are kept", lambda: _streams(client.call("GET", offsets)[1]), 60)
            for number in range(60):
                conn.execute("INSERT INTO t VALUES (%s, %s, 'n'), (%s, %s, 'n')", (number, number, 100 + number, number))
            line.until(lambda m: ("159",) in m.contents.get("t", {}))
            mine.kill()
            mine.start()
            conn.execute("INSERT INTO t VALUES (-1, 0, 'last')")
            line.until(lambda m: ("-1",) in m.contents["t"])
            records = read_topic(broker.bootstrap, world.topic, lambda found: any(_is(r.payload, -1) for r in found))
            ends = [r.payload["id"] for r in records if (r.payload or {}).get("status") == "END"]
            assert len(ends) > len(set(ends)), "nothing was told again: the test proves nothing"
            told = [c.new[0] for t in line.mirror.transactions for c in t if c.new]
            assert len(told) == len(set(told)) == 121
            assert line.mirror.captured == 121
            client.delete_all()


def test_a_connector_that_takes_a_new_snapshot_in_mid_life_is_followed_into_it(source: Source) -> None:
    world, line = source.world, Line(source.world)
    source.execute("INSERT INTO t VALUES (1, 1, 'kept'), (2, 1, 'goes unseen')")
    world.connect()
    line.snapshot()
    source.execute("INSERT INTO t VALUES (3, 1, 'streamed')")
    line.until(lambda m: ("3",) in m.contents["t"])
    world.connectors.stop(world.topic)
    source.execute("DELETE FROM t WHERE id = 2")
    world.connectors.call("DELETE", f"/connectors/{world.topic}/offsets")
    world.connectors.call("PUT", f"/connectors/{world.topic}/resume")
    line.until(lambda m: line.snapshots == 2)
    assert set(line.rows()) == {"1", "3"}  # what the snapshot has not is gone: the sweep
    source.execute("INSERT INTO t VALUES (4, 1, 'after')")
    line.until(lambda m: ("4",) in m.contents["t"])
    assert line.rows() == held(source)


def test_a_snapshot_that_was_interrupted_begins_anew(source: Source, connect_worker: Worker, broker: Broker) -> None:
    world, line = source.world, Line(source.world)
    source.execute(source.huge)
    world.connect(max__batch__size="256", max__queue__size="512")
    read_topic(broker.bootstrap, world.topic, lambda records: any((r.payload or {}).get("op") == "r" for r in records))
    connect_worker.kill()
    connect_worker.start()
    line.snapshot()
    assert len(line.mirror.transactions[0]) == HUGE
    source.execute("INSERT INTO t VALUES (4, 1, 'after')")
    line.until(lambda m: ("4",) in m.contents["t"])
    assert line.rows() == held(source)


def test_an_empty_source_is_a_snapshot_without_rows_and_its_position_moves_on_heartbeats(postgres: Source) -> None:
    world, line = postgres.world, Line(postgres.world)
    world.connect()
    line.snapshot()
    assert (line.mirror.transactions, line.rows()) == ([[]], {})
    stood = line.mirror.position
    line.until(lambda m: m.position >= stood + 3)
    assert line.mirror.captured == 0
