"""Servers start, stop, are killed and come back, and none outlives who started it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer

from sandbox.stack.errors import StackError
from sandbox.stack.kafka import Broker, cluster_id
from sandbox.stack.mariadb import MariaDb
from sandbox.stack.postgres import Postgres
from sandbox.stack.process import Server
from tests.support.processes import Process, wait_until
from tests.support.stack import NewTopicMaker
from tests.support.topics import read_topic, topic_names

pytestmark = pytest.mark.stack

# Starts two servers, says their and their keepers' process ids, and waits to be killed.
_OWNER = """
import sys, threading
from pathlib import Path
from sandbox.stack.mariadb import MariaDb
from sandbox.stack.postgres import Postgres
started = []
def start(server):
    server.start()
    started.append(server)
for server in (MariaDb(Path(sys.argv[1]) / "m"), Postgres(Path(sys.argv[1]) / "p")):
    thread = threading.Thread(target=start, args=(server,))
    thread.start()
    thread.join()
print(*[server.pid for server in started], flush=True)
threading.Event().wait()
"""


def gone(pid: int) -> bool:
    """No such process, or only its entry is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def start_owner(directory: Path) -> tuple[Process, list[int]]:
    owner = Process([sys.executable, "-c", _OWNER, str(directory)], directory / "owner.log", {})
    wait_until("both servers run", lambda: owner.out.read_text().endswith("\n") or owner.exit_code is not None, 60)
    assert owner.exit_code is None, owner.stderr()
    return owner, [int(pid) for pid in owner.out.read_text().split()]


@pytest.mark.parametrize("make", [Broker, MariaDb, Postgres])
def test_a_stopped_server_leaves_no_process(make: Callable[[Path], Server], stack_directory: Path) -> None:
    server = make(stack_directory / f"stopped-{make.__name__}")
    with server:
        pid = server.pid
        assert pid is not None
        assert server.running
    assert gone(pid)
    assert server.pid is None
    server.stop()  # once more is fine


def test_no_server_outlives_the_process_that_started_it_though_the_thread_that_did_is_long_gone(
    stack_directory: Path,
) -> None:
    directory = stack_directory / "owned"
    directory.mkdir()
    owner, pids = start_owner(directory)
    assert not any(gone(pid) for pid in pids)
    owner.kill()
    wait_until("the servers are gone", lambda: all(gone(pid) for pid in pids), 20)


def test_a_frozen_server_does_not_outlive_its_owner_either(stack_directory: Path) -> None:
    directory = stack_directory / "frozen"
    directory.mkdir()
    owner, pids = start_owner(directory)
    os.kill(pids[0], signal.SIGSTOP)
    owner.kill()
    wait_until("the servers are gone", lambda: all(gone(pid) for pid in pids), 20)


def test_a_server_whose_keeper_is_killed_ends(stack_directory: Path) -> None:
    server = MariaDb(stack_directory / "unkept")
    server.start()
    pid = server.pid
    assert pid is not None
    keeper = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    wait_until("the server is gone", lambda: gone(pid), 20)
    server.stop()


def test_ctrl_c_does_not_reach_the_servers_before_their_owner_stops_them(mariadb: MariaDb) -> None:
    assert mariadb.pid is not None
    assert os.getsid(mariadb.pid) != os.getsid(0)


def test_a_killed_broker_comes_back_with_its_topics_and_what_was_in_them(broker: Broker, new_topic: NewTopicMaker) -> None:
    topic = new_topic(partitions=1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    producer.produce(topic, b'{"n": 1}')
    assert producer.flush(30) == 0
    at, pid = broker.bootstrap, broker.pid
    broker.kill()
    broker.start()
    assert broker.bootstrap == at
    assert broker.pid != pid
    assert topic in topic_names(at)
    assert [record.value for record in read_topic(at, topic, 1)] == [{"n": 1}]


def test_nobody_gets_a_topic_by_naming_it(broker: Broker) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0, "message.timeout.ms": 3000})
    failures: list[object] = []
    producer.produce("nobody-made-this", b"1", on_delivery=lambda error, _: failures.append(error))
    producer.flush(30)
    assert failures[0] is not None
    assert "nobody-made-this" not in topic_names(broker.bootstrap)


def test_a_killed_mariadb_comes_back_on_its_port_with_what_was_committed(mariadb: MariaDb, new_mariadb_database: str) -> None:
    with mariadb.connect(database=new_mariadb_database) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE t (name varchar(20))")
        cursor.execute("INSERT INTO t VALUES ('Größe 😀')")
    port = mariadb.port
    mariadb.kill()
    mariadb.start()
    with mariadb.connect(database=new_mariadb_database) as db, db.cursor() as cursor:
        cursor.execute("SELECT name FROM t")
        assert cursor.fetchall() == (("Größe 😀",),)
    assert mariadb.port == port


def test_a_killed_postgresql_comes_back_at_once_and_its_folder_serves_the_next_one_too(stack_directory: Path) -> None:
    with Postgres(stack_directory / "killed") as server:
        dsn = server.create_database("finance")
        with psycopg.connect(dsn) as db:
            db.execute("CREATE TABLE t AS SELECT 1 AS n")
        server.kill()
        server.start()
        with psycopg.connect(dsn) as db:
            assert db.execute("SELECT n FROM t").fetchall() == [(1,)]
            assert db.execute("SHOW wal_level").fetchall() == [("logical",)]
    again = Postgres(stack_directory / "killed")
    with again, psycopg.connect(dsn) as db:
        assert db.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_a_server_that_cannot_start_says_why_in_its_own_words(stack_directory: Path) -> None:
    server = MariaDb(stack_directory / "wrong", settings={"no_such_variable": 1})
    with pytest.raises(StackError, match="no-such-variable"):
        server.start()
    assert not server.running


def test_the_connector_user_of_mariadb_may_read_and_follow_and_nothing_else(
    mariadb: MariaDb, new_mariadb_database: str
) -> None:
    with mariadb.connect(mariadb.connector, "information_schema") as db, db.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        [(granted,)] = cursor.fetchall()
    # REPLICATION CLIENT is what MariaDB now calls BINLOG MONITOR.
    wanted = "GRANT SELECT, RELOAD, SHOW DATABASES, LOCK TABLES, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO"
    assert granted.startswith(wanted)


def test_mariadb_leaves_no_user_without_a_password(mariadb: MariaDb) -> None:
    with mariadb.connect(mariadb.admin, "mysql") as db, db.cursor() as cursor:
        cursor.execute("SELECT user FROM user WHERE user NOT LIKE 'mariadb.sys' ORDER BY 1")
        assert [user for (user,) in cursor.fetchall()] == ["admin", "connector", "owner"]


def test_passwords_are_in_no_repr(mariadb: MariaDb) -> None:
    assert mariadb.owner.password not in repr(mariadb.owner) + repr(mariadb)


def test_no_cluster_id_looks_like_an_option() -> None:
    made = [cluster_id(bytes([first]) + bytes(15)) for first in range(256)]
    assert all(len(each) == 22 and not each.startswith("-") for each in made)
