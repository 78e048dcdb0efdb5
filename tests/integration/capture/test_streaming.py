"""Streaming from a real PostgreSQL: every operation, every awkward shape, every place to resume."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from agent.errors import SourceError
from agent.model.changes import UNCHANGED, ResumePoint
from agent.model.ids import CommitPos
from tests.support.capturing import Seen, Source, snapshot, stream_until, until


def ready(source: Source, *tables: str, **options: Any) -> tuple[Any, ResumePoint]:
    """A capture whose snapshot is done."""
    capture = source.capture(*tables, **options)
    return capture, ResumePoint(snapshot(capture)[1])


def after(transactions: int) -> Any:
    return lambda seen: len(seen.complete) >= transactions


def test_every_operation_arrives_as_it_was_done(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY, name text)", "INSERT INTO t VALUES (1, 'old')")
    capture, start = ready(source, "t")
    source.execute(
        "INSERT INTO t VALUES (2, NULL), (3, 'x')",
        "UPDATE t SET name = 'ä' WHERE id = 2",
        "DELETE FROM t WHERE id = 3",
    )
    seen = stream_until(capture, start, after(3))
    assert seen.said() == [
        ("t", "c", None, ("2", None)),
        ("t", "c", None, ("3", "x")),
        ("t", "u", None, ("2", "ä")),
        ("t", "d", ("3", None), None),
    ]
    assert seen.captured == 4
    (relation,) = seen.relations.values()
    assert relation == capture.relations()[0]
    assert [(c.name, c.type_name, c.key, c.not_null) for c in relation.columns] == [
        ("id", "integer", True, True), ("name", "text", False, False),
    ]  # fmt: skip


def test_a_key_change_brings_the_old_key_and_leaves_the_large_value_unchanged(source: Source) -> None:
    source.execute(
        "CREATE TABLE t (id int PRIMARY KEY, big text, n int)", "ALTER TABLE t ALTER big SET STORAGE EXTERNAL"
    )
    source.execute("INSERT INTO t VALUES (1, repeat('x', 10000), 0)")
    capture, start = ready(source, "t")
    source.execute("UPDATE t SET n = 1", "UPDATE t SET id = 2", "UPDATE t SET big = repeat('y', 9000)")
    seen = stream_until(capture, start, after(3))
    assert seen.said() == [
        ("t", "u", None, ("1", UNCHANGED, "1")),
        ("t", "u", ("1", None, None), ("2", UNCHANGED, "1")),
        ("t", "u", None, ("2", "y" * 9000, "1")),
    ]


def test_a_full_replica_identity_brings_whole_old_images_and_the_primary_key(source: Source) -> None:
    source.execute(
        "CREATE TABLE t (id int PRIMARY KEY, big text, n int)",
        "ALTER TABLE t ALTER big SET STORAGE EXTERNAL",
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES (1, repeat('x', 10000), 0)",
    )
    capture, start = ready(source, "t")
    source.execute("UPDATE t SET n = 1", "DELETE FROM t")
    seen = stream_until(capture, start, after(2))
    big = "x" * 10000
    assert seen.said() == [("t", "u", ("1", big, "0"), ("1", big, "1")), ("t", "d", ("1", big, "1"), None)]
    assert [c.old_complete for c in seen.rows()] == [True, True]
    assert [c.key for c in next(iter(seen.relations.values())).columns] == [True, False, False]
    assert list(seen.relations.values()) == list(capture.relations())


def test_an_identity_index_names_the_key(source: Source) -> None:
    source.execute(
        "CREATE TABLE t (a int, b int NOT NULL, c text)",
        "CREATE UNIQUE INDEX t_b ON t (b) INCLUDE (c)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX t_b",
        "INSERT INTO t VALUES (1, 2, 'x')",
    )
    capture, start = ready(source, "t")
    source.execute("UPDATE t SET b = 3")
    seen = stream_until(capture, start, after(1))
    assert seen.said() == [("t", "u", (None, "2", None), ("1", "3", "x"))]
    assert list(seen.relations.values()) == list(capture.relations())


def test_a_truncate_of_several_tables_is_one_change_each(source: Source) -> None:
    source.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY REFERENCES a)")
    capture, start = ready(source, "a", "b")
    source.execute("TRUNCATE a CASCADE")
    seen = stream_until(capture, start, after(1))
    assert sorted(seen.said()) == [("a", "t", None, None), ("b", "t", None, None)]
    assert seen.captured == 2


def test_interleaved_transactions_come_whole_and_in_commit_order(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t")
    with psycopg.connect(source.dsn) as first, psycopg.connect(source.dsn) as second:
        first.execute("INSERT INTO t VALUES (1)")
        second.execute("INSERT INTO t VALUES (2)")
        first.execute("INSERT INTO t VALUES (3)")
        second.execute("INSERT INTO t VALUES (4)")
        second.commit()
        first.commit()
    seen = stream_until(capture, start, after(2))
    assert [[c.new for c in seen.transactions[p]] for p in seen.complete] == [
        [("2",), ("4",)],
        [("1",), ("3",)],
    ]
    assert seen.complete == sorted(seen.complete)


def test_back_to_back_commits_are_neither_lost_nor_doubled_from_any_position(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t")
    open_ones = [psycopg.connect(source.dsn) for _ in range(6)]
    for i, conn in enumerate(open_ones):
        conn.execute("INSERT INTO t VALUES (%s)", (i,))
    for conn in open_ones:
        conn.commit()
        conn.close()
    whole = stream_until(capture, start, after(6), ack=False)
    for skipped, position in enumerate([start.position, *whole.complete[:-1]]):
        assert position is not None
        # An idle position stored from a keepalive lies between commits; it must lose nothing either.
        for stored in (position, position + 1):
            rest = stream_until(capture, ResumePoint(CommitPos(stored)), after(6 - skipped), ack=False)
            assert rest.complete == whole.complete[skipped:]


def test_positions_acknowledged_one_by_one_can_each_be_resumed(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t", max_slice_rows=1)
    for i in range(5):
        source.execute(f"INSERT INTO t VALUES ({i})")
    got: list[Any] = []
    for _ in range(5):
        capture.check(start)
        seen = stream_until(capture, start, after(1))
        got += seen.said()
        start = ResumePoint(CommitPos(seen.end))
    assert [new for _, _, _, new in got] == [(str(i),) for i in range(5)]


def test_a_huge_transaction_comes_in_bounded_slices_and_resumes_in_its_middle(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t", max_slice_rows=4096)
    source.execute("INSERT INTO t SELECT generate_series(1, 50000)", "INSERT INTO t VALUES (-1)")
    sizes: list[int] = []
    seen = Seen()
    stream = capture.stream(start)
    for batch in stream:
        seen.add(batch)
        assert batch.captured == sum(len(s.changes) for s in batch.slices) <= 4096
        sizes.append(batch.captured)
        if len(seen.complete) == 2:
            break
    stream.close()
    assert seen.captured == 50_001
    assert len(sizes) >= 13
    huge, small = seen.complete
    whole = [c.new for c in seen.transactions[huge]]
    for durable in (1, 4096, 20_000, 50_000):
        rest = stream_until(
            capture, ResumePoint(start.position, CommitPos(huge), durable), after(2), ack=False
        )
        assert [c.new for c in rest.transactions[huge][durable:]] == whole[durable:]
        assert rest.captured == 50_001 - durable
        assert rest.complete == [huge, small]


def test_a_column_added_in_mid_stream_is_a_new_shape_before_its_rows(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t")
    source.execute("INSERT INTO t VALUES (1)")
    with source.sql.transaction():
        source.execute(
            "INSERT INTO t VALUES (2)", "ALTER TABLE t ADD amount numeric(10,2) NOT NULL DEFAULT 1.5"
        )
        source.execute("INSERT INTO t VALUES (3, 2)")
    widths: list[tuple[int, int]] = []
    seen = Seen()
    stream = capture.stream(start)
    for batch in stream:
        seen.add(batch)
        for piece in batch.slices:
            widths += [(len(seen.relations[c.ref].columns), len(c.new or ())) for c in piece.changes]
        if len(seen.complete) == 2:
            break
    stream.close()
    assert widths == [(1, 1), (1, 1), (2, 2)]
    assert [c.type_name for c in next(iter(seen.relations.values())).columns] == ["integer", "numeric(10,2)"]


def test_an_idle_source_moves_its_position_and_lets_go_of_wal(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE elsewhere (id int)")
    capture, start = ready(source, "t")
    source.execute("INSERT INTO elsewhere SELECT generate_series(1, 1000)")
    target = source.one("SELECT pg_current_wal_insert_lsn() - '0/0'")

    def confirmed(seen: Seen) -> bool:
        assert seen.captured == 0
        at = source.one(
            "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE database = current_database()"
        )
        return bool(at >= target)

    seen = stream_until(capture, start, confirmed)
    assert seen.complete == []
    capture.check(ResumePoint(CommitPos(seen.end)))


def test_a_slow_consumer_does_not_lose_its_connection(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(
        source, "t", dsn=f"{source.dsn}?options=-c%20wal_sender_timeout%3D1500", max_slice_rows=100
    )
    source.execute("INSERT INTO t SELECT generate_series(1, 20000)")
    stream = iter(capture.stream(start))
    seen = Seen()
    seen.add(next(stream))
    replies: set[Any] = set()

    def heard_often() -> bool:
        replies.add(source.one("SELECT max(reply_time) FROM pg_stat_replication"))
        return len(replies) > 10

    until(heard_often, what="status updates while nobody reads")
    while not seen.complete:
        seen.add(next(stream))
    assert seen.captured == 20_000


def test_interrupt_ends_a_blocked_stream(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t", idle_seconds=600)
    ended = threading.Event()

    def consume() -> None:
        assert list(capture.stream(start)) == []
        ended.set()

    thread = threading.Thread(target=consume)
    thread.start()
    until(source.slot_active, what="streaming")
    capture.interrupt()
    assert ended.wait(30)
    thread.join()


def test_a_database_that_is_not_utf8_is_read_in_utf8(server: Any) -> None:
    from tests.support.capturing import source_at

    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        with source_at(server.dsn_of("latin")) as source:
            source.execute(
                "CREATE TABLE t (id int PRIMARY KEY, name text)", "INSERT INTO t VALUES (1, 'Köln')"
            )
            capture = source.capture("t")
            before, position = snapshot(capture)
            source.execute("INSERT INTO t VALUES (2, 'Köln')")
            seen = stream_until(capture, ResumePoint(position), after(1))
            assert [c.new for c in (*before.rows(), *seen.rows())] == [("1", "Köln"), ("2", "Köln")]
            until(lambda: not source.slot_active())
            source.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'latin'"
            )
        admin.execute("DROP DATABASE latin")


def test_bytes_that_are_not_utf8_do_not_kill_the_capture_of_a_sql_ascii_database(server: Any) -> None:
    from tests.support.capturing import source_at

    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        with source_at(server.dsn_of("ascii")) as source:
            # The byte comes from the server's own arithmetic, so that no client encoding touches it.
            broken = "convert_from(decode('636166e9', 'hex'), 'SQL_ASCII')"
            source.execute(
                "CREATE TABLE t (id int PRIMARY KEY, name text)", f"INSERT INTO t VALUES (1, {broken})"
            )
            capture = source.capture("t")
            before, position = snapshot(capture)
            source.execute(f"INSERT INTO t VALUES (2, {broken}), (3, 'ok')")
            seen = stream_until(capture, ResumePoint(position), after(1))
            rows = [c.new for c in (*before.rows(), *seen.rows())]
            assert rows == [("1", "caf\udce9"), ("2", "caf\udce9"), ("3", "ok")]
            until(lambda: not source.slot_active())
            source.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'ascii'"
            )
        admin.execute("DROP DATABASE ascii")


def test_a_slot_that_went_ahead_while_we_were_away_is_refused_by_the_stream_too(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture, start = ready(source, "t")
    source.execute("INSERT INTO t VALUES (1)")
    stream_until(capture, start, lambda s: len(s.complete) == 1 and s.batches > 2)
    until(lambda: not source.slot_active())
    with pytest.raises(SourceError, match="ahead of the store"):
        next(iter(capture.stream(start)))
