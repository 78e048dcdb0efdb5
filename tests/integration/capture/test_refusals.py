"""Sources that are not safe to capture are refused, each with what to do; broken connections are told apart
from them."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.capture.postgres.capture import PostgresCapture
from agent.errors import Disposition, SlotInUse, SourceError, SourceUnavailable
from agent.model.changes import ResumePoint
from agent.model.ids import CommitPos
from agent.store import embedded
from agent.store.embedded import EmbeddedServer
from tests.support.capturing import Seen, Source, snapshot, source_at, stream_until, until

NOTHING = ResumePoint(None)


def refused(capture: PostgresCapture, resume: ResumePoint = NOTHING) -> SourceError:
    with pytest.raises(SourceError) as caught:
        capture.check(resume)
    assert caught.value.remedy
    assert caught.value.disposition is Disposition.STOP
    return caught.value


def test_a_healthy_source_says_which_one_it_is(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture = source.capture("t")
    identity = capture.check(NOTHING)
    assert identity.system_id == str(source.one("SELECT system_identifier FROM pg_control_system()"))
    assert identity.timeline == 1
    _, position = snapshot(capture)
    assert capture.check(ResumePoint(position)).flushed_pos >= position


@pytest.mark.parametrize(
    ("ddl", "what"),
    [
        pytest.param([], "no table public.t", id="missing"),
        pytest.param(["CREATE VIEW t AS SELECT 1 AS id"], "no table public.t", id="a view"),
        pytest.param(["CREATE TABLE t (id int)"], "no primary key", id="keyless"),
        pytest.param(
            ["CREATE TABLE t (id int)", "ALTER TABLE t REPLICA IDENTITY FULL"],
            "no primary key",
            id="full, keyless",
        ),
        pytest.param(
            ["CREATE TABLE t (id int PRIMARY KEY)", "ALTER TABLE t REPLICA IDENTITY NOTHING"],
            "NOTHING",
            id="nothing",
        ),
        pytest.param(
            [
                "CREATE TABLE t (id int PRIMARY KEY, b int NOT NULL)",
                "CREATE UNIQUE INDEX i ON t (b)",
                "ALTER TABLE t REPLICA IDENTITY USING INDEX i",
                "DROP INDEX i",
            ],
            "no primary key that its replica identity could use",
            id="identity index gone",
        ),
    ],
)
def test_a_table_that_cannot_be_captured_is_named(source: Source, ddl: list[str], what: str) -> None:
    source.execute(*ddl)
    assert what in refused(source.capture("t")).what


@pytest.mark.parametrize(
    ("ddl", "what"),
    [
        pytest.param("CREATE PUBLICATION coexist_test FOR ALL TABLES", "FOR ALL TABLES", id="all tables"),
        pytest.param(
            "CREATE PUBLICATION coexist_test FOR TABLES IN SCHEMA public", "FOR ALL TABLES", id="schema"
        ),
        pytest.param(
            "CREATE PUBLICATION coexist_test FOR TABLE t WITH (publish = 'insert')",
            "pubupdate",
            id="inserts only",
        ),
        pytest.param(
            "CREATE PUBLICATION coexist_test FOR TABLE t WHERE (id > 5)", "filters", id="row filter"
        ),
        pytest.param("CREATE PUBLICATION coexist_test FOR TABLE t (id)", "filters", id="column list"),
    ],
)
def test_a_publication_that_would_lose_changes_is_refused(source: Source, ddl: str, what: str) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY, v text)", ddl)
    assert what in refused(source.capture("t")).what


def test_what_the_dba_has_to_make_is_printed_as_sql(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)")
    no_publication = refused(source.capture("t", "u", create=False))
    assert (
        'CREATE PUBLICATION "coexist_test" FOR TABLE ONLY "public"."t", ONLY "public"."u"'
        in no_publication.remedy
    )
    source.execute("CREATE PUBLICATION coexist_test FOR TABLE t")
    assert "lacks public.u" in refused(source.capture("t", "u", create=False)).what
    source.execute("ALTER PUBLICATION coexist_test ADD TABLE u")
    no_slot = refused(source.capture("t", "u", create=False))
    assert "pg_create_logical_replication_slot" in no_slot.remedy


def test_a_table_is_added_to_our_publication_before_the_snapshot_but_never_after_it(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)")
    source.execute("CREATE PUBLICATION coexist_test FOR TABLE t")
    capture = source.capture("t", "u")
    capture.check(NOTHING)
    _, position = snapshot(capture)
    assert capture.check(ResumePoint(position))
    source.execute("CREATE TABLE later (id int PRIMARY KEY)")
    late = refused(source.capture("t", "u", "later"), ResumePoint(position))
    assert "lacks public.later" in late.what
    source.execute("DROP PUBLICATION coexist_test")
    assert "publication coexist_test is gone" in refused(source.capture("t", "u"), ResumePoint(position)).what


def test_a_slot_that_is_not_ours_is_left_alone(source: Source, server: Any) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    with psycopg.connect(server.dsn, autocommit=True) as elsewhere:
        elsewhere.execute("SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')")
        assert "in database postgres" in refused(source.capture("t", slot="elsewhere")).what
        elsewhere.execute("SELECT pg_drop_replication_slot('elsewhere')")


def test_a_slot_in_use_is_refused_for_check_stream_and_snapshot(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    reader = source.capture("t")
    _, position = snapshot(reader)
    stream = iter(reader.stream(ResumePoint(position)))
    next(stream)
    rival = source.capture("t", slot_grace_seconds=0.2)
    with pytest.raises(SlotInUse, match="is in use by server process"):
        rival.check(ResumePoint(position))
    with pytest.raises(SourceError, match="in use"):
        next(iter(rival.stream(ResumePoint(position))))
    with pytest.raises(SourceError, match="in use"):
        next(iter(rival.snapshot()))
    reader.close()
    assert rival.check(ResumePoint(position))


def test_a_slot_ahead_of_the_store_is_refused(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture = source.capture("t")
    _, position = snapshot(capture)
    source.execute("INSERT INTO t VALUES (1)")
    source.execute(
        "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn())"
        " FROM pg_replication_slots WHERE database = current_database()"
    )
    error = refused(capture, ResumePoint(position))
    assert "ahead of the store" in error.what
    assert "new snapshot" in error.remedy


def test_a_missing_slot_and_a_source_behind_us_are_refused(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture = source.capture("t")
    _, position = snapshot(capture)
    assert "it was restored" in refused(capture, ResumePoint(CommitPos(position + 10**12))).what
    source.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
    )
    assert "is gone" in refused(capture, ResumePoint(position)).what


@pytest.mark.parametrize(
    "change", [("port", "1"), ("database", "nowhere"), ("password", "wrong-secret")], ids=lambda c: c[0]
)
def test_a_source_that_cannot_be_reached_may_come_back_and_never_shows_its_password(
    server: EmbeddedServer, change: tuple[str, str]
) -> None:
    parts = {"port": str(server.port), "database": "postgres", "password": server.password} | dict([change])
    dsn = f"postgresql://coexist:{parts['password']}@127.0.0.1:{parts['port']}/{parts['database']}"
    capture = PostgresCapture(dsn, publication="p", slot="s", tables=(("public", "t"),), create=True)
    with pytest.raises(SourceUnavailable) as caught:
        capture.check(NOTHING)
    capture.close()
    assert caught.value.disposition is Disposition.RETRY
    assert (
        parts["password"] not in f"{caught.value!s} {caught.value!r} {capture!r} {caught.value.__context__!r}"
    )


def test_a_dsn_that_cannot_be_read_is_refused_without_repeating_it() -> None:
    capture = PostgresCapture(
        "postgresqll://u:geheim@h/db", publication="p", slot="s", tables=(), create=True
    )
    error = refused(capture)
    capture.close()
    assert "geheim" not in f"{error!s} {error!r} {capture!r}"


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """A server that a test may stop and restart."""
    directory = Path(tempfile.mkdtemp(prefix="coexist-test-pg-"))
    directory.chmod(0o755)
    running = embedded.start(
        directory / "data", settings={"fsync": "off", "max_slot_wal_keep_size": "'32MB'"}
    )
    yield running
    running.stop("immediate")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_restart_of_the_source_breaks_the_stream_and_loses_nothing(
    own_server: EmbeddedServer, mode: str
) -> None:
    with source_at(own_server.dsn) as source:
        source.execute("CREATE TABLE t (id int PRIMARY KEY)")
        capture = source.capture("t", slot="restarted", idle_seconds=120)
        _, position = snapshot(capture)
        source.execute("INSERT INTO t VALUES (1)")
        seen, errors = Seen(), []

        def consume() -> None:
            try:
                for batch in capture.stream(ResumePoint(position)):
                    seen.add(batch)
                    capture.acknowledge(batch.end_pos)
            except SourceUnavailable as error:
                errors.append(error)

        thread = threading.Thread(target=consume)
        thread.start()
        until(lambda: seen.complete)
        source.execute("CREATE TABLE other (id int)")  # WAL that is none of ours, not yet confirmed
        began = time.monotonic()
        own_server.stop(mode)
        assert time.monotonic() - began < 30, "the server must not wait for us"
        thread.join(30)
        assert errors
        with pytest.raises(SourceUnavailable):
            capture.check(ResumePoint(position))
        embedded.start(own_server.directory, port=own_server.port)
        source.sql.close()
        source.sql = psycopg.connect(source.dsn, autocommit=True)
        source.execute("INSERT INTO t VALUES (2)")
        resume = ResumePoint(CommitPos(seen.end))
        capture.check(resume)
        again = stream_until(capture, resume, lambda s: s.complete)
        assert [c.new for c in (*seen.rows(), *again.rows())] == [("1",), ("2",)]


def test_a_slot_whose_wal_was_removed_is_lost(own_server: EmbeddedServer) -> None:
    with source_at(own_server.dsn) as source:
        source.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE filler (x text)")
        capture = source.capture("t", slot="behind")
        _, position = snapshot(capture)

        def lost() -> bool:
            source.execute("INSERT INTO filler SELECT repeat('x', 2000) FROM generate_series(1, 8000)")
            source.execute("SELECT pg_switch_wal()", "CHECKPOINT")
            return bool(source.one("SELECT wal_status = 'lost' FROM pg_replication_slots"))

        until(lost, 60, "the slot lost")
        assert "is lost" in refused(capture, ResumePoint(position)).what


def test_a_source_without_logical_wal_is_refused() -> None:
    directory = Path(tempfile.mkdtemp(prefix="coexist-test-pg-"))
    directory.chmod(0o755)
    server = embedded.start(
        directory / "data", settings={"wal_level": "replica", "max_replication_slots": "1"}
    )
    try:
        with source_at(server.dsn) as source:
            error = refused(source.capture("t"))
            assert (error.what, "postgresql.conf" in error.remedy) == ("wal_level is replica", True)
    finally:
        server.stop("immediate")
        shutil.rmtree(directory, ignore_errors=True)


def test_a_keyless_table_in_a_publication_of_ours_is_refused_even_if_we_do_not_want_it(
    source: Source,
) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE stranger (id int)")
    source.execute("CREATE PUBLICATION coexist_test FOR TABLE t, stranger")
    assert "public.stranger" in refused(source.capture("t")).what
