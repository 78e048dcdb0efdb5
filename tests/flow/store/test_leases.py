"""Leases of replicas over a real store: one holder, replaced when gone or asleep, its session ended by its successor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from agent.errors import LostPosition
from agent.store.leases import Lease, holder_of
from tests.support.processes import wait_until

Connect = Callable[[], psycopg.Connection[Any]]


@pytest.fixture
def connect(store: psycopg.Connection[Any]) -> Iterator[Connect]:
    """New sessions on the test's store, closed after it."""
    with ExitStack() as ending:
        yield lambda: ending.enter_context(psycopg.connect(_dsn(store), autocommit=True))


def _dsn(conn: psycopg.Connection[Any]) -> str:
    return psycopg.conninfo.make_conninfo(conn.info.dsn, password=conn.info.password)


def test_only_one_replica_has_a_lease_and_the_next_gets_it_when_it_is_given_back(connect: Connect) -> None:
    with Lease(connect(), connect, "derive:a", "one", 30) as one, Lease(connect(), connect, "derive:a", "two", 30) as two:
        assert one.take()
        assert not two.take()
        assert holder_of(connect(), "derive:a") == "one"
        one.__exit__(None, None, None)
        assert two.take()


def test_leases_of_different_names_do_not_meet(connect: Connect) -> None:
    with Lease(connect(), connect, "derive:a", "one", 30) as one, Lease(connect(), connect, "derive:b", "two", 30) as two:
        assert one.take()
        assert two.take()


def test_a_lease_is_free_as_soon_as_the_session_of_its_holder_is_gone(connect: Connect) -> None:
    working = connect()
    with (
        Lease(working, connect, "capture:a", "killed", 600) as killed,
        Lease(connect(), connect, "capture:a", "two", 30) as two,
    ):
        assert killed.take()
        working.close()
        wait_until("the lease is free", two.take, 5)
        assert holder_of(connect(), "capture:a") == "two"


def test_one_that_sleeps_is_replaced_when_its_lease_ends_and_its_session_is_ended(connect: Connect) -> None:
    working = connect()
    asleep = Lease(working, connect, "capture:a", "asleep", 1)
    assert asleep.take()
    asleep._ended.set()  # its keeper sleeps, as in a process that was stopped
    working.execute("BEGIN")
    working.execute("CREATE TABLE never (a int)")
    with Lease(connect(), connect, "capture:a", "two", 30) as two:
        assert not two.take()
        wait_until("the lease has ended", two.take, 5)
        with pytest.raises(psycopg.OperationalError):
            working.execute("COMMIT")
        assert connect().execute("SELECT to_regclass('never')").fetchone() == (None,)


def test_a_holder_learns_that_its_lease_was_taken(connect: Connect) -> None:
    lost: list[bool] = []
    with Lease(connect(), connect, "derive:a", "one", 0.4, lambda: lost.append(True)) as one:
        assert one.take()
        connect().execute("UPDATE coexist.lease SET fence = fence + 1")
        wait_until("it is told", lambda: bool(lost), 5)
        with pytest.raises(LostPosition, match="another replica has taken derive:a"):
            one.check()


def test_a_lease_is_kept_for_as_long_as_its_holder_lives(connect: Connect) -> None:
    with Lease(connect(), connect, "derive:a", "one", 0.6) as one, Lease(connect(), connect, "derive:a", "two", 0.6) as two:
        assert one.take()
        renewals = connect()
        ends = {renewals.execute("SELECT until FROM coexist.lease").fetchone()}

        def renewed() -> bool:
            ends.add(renewals.execute("SELECT until FROM coexist.lease").fetchone())
            assert not two.take()
            return len(ends) > 5

        wait_until("it was renewed five times", renewed, 10)
        one.check()
