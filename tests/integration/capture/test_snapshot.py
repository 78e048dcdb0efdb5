"""The exported snapshot and its hand-over to the stream, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import psycopg
import pytest

from agent.capture.postgres.setup import setup_sql
from agent.errors import SourceError, SourceUnavailable
from agent.model.changes import ResumePoint
from agent.model.ids import CommitPos
from tests.support.capturing import Seen, Source, snapshot, stream_until, until

SETTINGS = "SET datestyle = 'German'; SET timezone = 'Asia/Tokyo'; SET extra_float_digits = 0; SET bytea_output = 'escape'"

ROWS = {
    "boolean": ["true", "false"],
    "smallint": ["-32768"],
    "bigint": ["9223372036854775807"],
    "real": ["0.1", "'NaN'", "1e-30"],
    "double precision": ["0.1::float8 + 0.2", "'-Infinity'", "1e300"],
    "numeric": ["1.10", "'NaN'", "1e-20"],
    "numeric(12,2)": ["1.1"],
    "money": ["12345.678"],
    "text": ["''", r"E'tab\t nl\n bs\\ \\N cr\r'", "'ünï€😀'"],
    "char(5)": ["'ab'"],
    "varchar(10)": ["' x '"],
    "bytea": [r"'\x00ff5c'"],
    "date": ["'2024-02-29'", "'infinity'", "'0044-03-15 BC'"],
    "time": ["'23:59:59.999999'"],
    "timetz": ["'12:00+09'"],
    "timestamp": ["'2024-01-01 00:00:00.5'", "'-infinity'"],
    "timestamptz": ["'2024-01-01 00:00:00+09'"],
    "interval": ["'1 year 2 mons -3 days 04:05:06.7'"],
    "uuid": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "json": ["""'{"a" : 1.0}'"""],
    "jsonb": ["""'{"b":1.10,"a":[null]}'"""],
    "inet": ["'10.0.0.1/8'"],
    "integer[]": ["'{1,NULL,3}'"],
    "text[]": [r"""'{"a b",NULL,"q\"","\\\\"}'"""],
    "int4range": ["'[1,5)'"],
    "point": ["'(1.5,2)'"],
    "bit(4)": ["B'1010'"],
    "regclass": ["'public.kinds'"],
    "public.mood": ["'so so'"],
}


def test_streamed_and_snapshotted_rows_have_the_same_text_for_every_type(source: Source) -> None:
    source.execute("CREATE TYPE public.mood AS ENUM ('so so')")
    columns = ", ".join(f"c{i} {type_name}" for i, type_name in enumerate(ROWS))
    source.execute(f"CREATE TABLE kinds (id int PRIMARY KEY, {columns})")
    height = max(map(len, ROWS.values()))
    inserts = [
        f"INSERT INTO kinds VALUES ({n}, {', '.join(v[n] if n < len(v) else 'NULL' for v in ROWS.values())})"
        for n in range(height)
    ]
    database = source.sql.info.dbname
    for setting in SETTINGS.split("; "):
        source.execute(f"ALTER DATABASE {database} {setting}")
    source.execute(*inserts)
    capture = source.capture("kinds")
    before, position = snapshot(capture)
    source.execute("TRUNCATE kinds", *inserts)
    seen = stream_until(capture, ResumePoint(position), lambda s: len(s.complete) >= height + 1)
    assert [c.new for c in seen.rows()][1:] == [c.new for c in before.rows()]
    assert list(seen.relations.values()) == list(before.relations.values()) == list(capture.relations())
    first = dict(zip(ROWS, before.rows()[0].new[1:], strict=True))  # type: ignore[index]
    assert first["double precision"] == "0.30000000000000004"
    assert (first["timestamptz"], first["bytea"], first["char(5)"]) == (
        "2023-12-31 15:00:00+00", "\\x00ff5c", "ab   ",
    )  # fmt: skip


def test_no_change_falls_between_snapshot_and_stream_while_writers_go_on(source: Source) -> None:
    source.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)",
        "INSERT INTO t SELECT g, 0 FROM generate_series(1, 20000) g",
    )
    capture = source.capture("t", max_slice_rows=500)
    stop = threading.Event()

    def write(offset: int) -> None:
        with psycopg.connect(source.dsn) as conn:
            n = 0
            while not stop.is_set():
                n += 1
                conn.execute("UPDATE t SET n = n + 1 WHERE id = %s", (1 + n * 7 % 20_000,))
                conn.execute("INSERT INTO t VALUES (%s, 0)", (offset + n,))
                conn.execute("DELETE FROM t WHERE id = %s", (20_000 - n * 2 - offset % 2,))
                conn.commit()

    writers = [threading.Thread(target=write, args=(offset,)) for offset in (100_000, 500_001)]
    for writer in writers:
        writer.start()
    try:
        before, position = snapshot(capture)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    source.execute("INSERT INTO t VALUES (-1, 0)")
    seen = stream_until(capture, ResumePoint(position), lambda s: any(c.new == ("-1", "0") for c in s.rows()))
    copy = {c.new[0]: c.new[1] for c in before.rows() if c.new}
    for change in seen.rows():
        if change.op == "d":
            assert change.old is not None
            del copy[change.old[0]]
        else:
            assert change.new is not None
            assert (change.op == "c") == (change.new[0] not in copy)
            copy[change.new[0]] = change.new[1]
    assert copy == {str(i): str(n) for i, n in source.sql.execute("SELECT id, n FROM t").fetchall()}
    assert before.captured == len(before.rows())


def test_tables_without_a_row_make_an_empty_snapshot_with_their_shapes(source: Source) -> None:
    source.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    before, position = snapshot(source.capture("a", "b"))
    assert (before.captured, before.rows(), before.end) == (0, [], position)
    assert [r.table for r in before.relations.values()] == ["a", "b"]


def test_a_snapshot_comes_in_bounded_slices_of_one_transaction(source: Source) -> None:
    source.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    source.execute(
        "INSERT INTO a SELECT generate_series(1, 250)", "INSERT INTO b SELECT generate_series(1, 250)"
    )
    batches = list(source.capture("a", "b", max_slice_rows=100).snapshot())
    pieces = [piece for batch in batches for piece in batch.slices]
    assert [(p.first_ordinal, len(p.changes), p.complete) for p in pieces] == [
        (0, 100, False), (100, 100, False), (200, 100, False), (300, 100, False), (400, 100, False), (500, 0, True),
    ]  # fmt: skip
    assert len({p.commit_pos for p in pieces}) == 1
    assert [b.end_pos for b in batches] == [0] * 5 + [pieces[0].commit_pos]


def test_a_snapshot_starts_anew_over_its_own_leftover_slot(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 100)")
    first = source.capture("t", max_slice_rows=10)
    next(iter(first.snapshot()))
    first.close()
    second = source.capture("t")
    second.check(ResumePoint(None))
    assert len(snapshot(second)[0].rows()) == 100


def test_a_paced_snapshot_takes_its_time(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 300)")
    capture = source.capture("t", max_slice_rows=100, snapshot_rows_per_second=1000)
    began = time.monotonic()
    snapshot(capture)
    assert time.monotonic() - began >= 0.3


def test_interrupt_ends_a_snapshot_that_waits_for_a_long_transaction(source: Source) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)")
    capture = source.capture("t")
    got: list[Any] = []
    with psycopg.connect(source.dsn) as long:
        long.execute("INSERT INTO t VALUES (1)")
        thread = threading.Thread(target=lambda: got.extend(capture.snapshot()))
        thread.start()
        until(
            lambda: source.one(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE_REPLICATION_SLOT%%'"
            )
        )
        capture.interrupt()
        thread.join(30)
        assert not thread.is_alive()
    assert got == []


def test_a_table_rewritten_while_the_snapshot_begins_is_noticed(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.capture.postgres.snapshot import Snapshot

    source.execute("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 1)")
    bring_in = Snapshot._import

    def rewritten_first(self: Snapshot, name: str) -> None:
        source.execute("ALTER TABLE t ALTER n TYPE bigint")
        bring_in(self, name)

    monkeypatch.setattr(Snapshot, "_import", rewritten_first)
    with pytest.raises(SourceError, match="rewritten"):
        snapshot(source.capture("t"))


def test_a_partitioned_table_is_one_table(source: Source) -> None:
    source.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
        "INSERT INTO t VALUES (1, 'a'), (11, 'b')",
    )
    capture = source.capture("t")
    before, position = snapshot(capture)
    source.execute("UPDATE t SET v = 'c' WHERE id = 11")
    seen = stream_until(capture, ResumePoint(position), lambda s: s.complete)
    assert before.said() == [("t", "r", None, ("1", "a")), ("t", "r", None, ("11", "b"))]
    assert seen.said() == [("t", "u", None, ("11", "c"))]


def test_generated_and_dropped_columns_are_left_out_alike(source: Source) -> None:
    source.execute(
        "CREATE TABLE t (gone int, id int PRIMARY KEY, double int GENERATED ALWAYS AS (id * 2) STORED, v text)",
        "ALTER TABLE t DROP gone",
        "INSERT INTO t VALUES (1, DEFAULT, 'x')",
    )
    capture = source.capture("t")
    before, position = snapshot(capture)
    source.execute("UPDATE t SET id = 2")
    seen = stream_until(capture, ResumePoint(position), lambda s: s.complete)
    assert [before.rows()[0].new, seen.rows()[0].new] == [("1", "x"), ("2", "x")]
    assert before.relations == seen.relations


def test_a_role_with_least_privilege_lives_on_what_the_dba_made_from_our_sql(
    source: Source, server: Any
) -> None:
    source.execute('CREATE SCHEMA "Old Books"', 'CREATE TABLE "Old Books"."Cust""omers" (id int PRIMARY KEY)')
    source.execute(
        'INSERT INTO "Old Books"."Cust""omers" VALUES (1)', "CREATE ROLE guest PASSWORD 'guest-secret'"
    )
    dsn = source.dsn.replace(f"coexist:{server.password}", "guest:guest-secret")
    tables = (("Old Books", 'Cust"omers'),)
    options: dict[str, Any] = {
        "dsn": dsn,
        "create": False,
        "tables": tables,
        "publication": "by dba",
        "slot": "by_dba",
    }
    try:
        with pytest.raises(SourceUnavailable, match="not permitted to log in") as refused:
            source.capture(**options).check(ResumePoint(None))
        assert "guest-secret" not in str(refused.value)
        source.execute("ALTER ROLE guest LOGIN")
        with pytest.raises(SourceError, match="ALTER ROLE … WITH REPLICATION"):
            source.capture(**options).check(ResumePoint(None))
        for statement in setup_sql("by dba", "by_dba", tables, "guest").strip().split("\n"):
            source.execute(statement)
        capture = source.capture(**options)
        capture.check(ResumePoint(None))
        source.execute('INSERT INTO "Old Books"."Cust""omers" VALUES (2)')
        before, position = snapshot(capture)
        source.execute('INSERT INTO "Old Books"."Cust""omers" VALUES (3)')
        capture.check(ResumePoint(position))
        seen = stream_until(capture, ResumePoint(position), lambda s: s.complete)
        assert [c.new for c in before.rows()] == [("1",), ("2",)]
        assert [c.new for c in seen.rows()] == [("3",)]
        capture.close()
        until(lambda: not source.slot_active())
    finally:
        source.execute("DROP OWNED BY guest", "DROP ROLE guest")


_CRASHING = """
import sys
from agent.capture.postgres.capture import PostgresCapture
tables = (("public", "t"),)
capture = PostgresCapture(sys.argv[1], publication="p", slot=sys.argv[2], tables=tables, create=True, max_slice_rows=10)
for batch in capture.snapshot():
    capture.acknowledge(batch.end_pos)
print("snapshot over", flush=True)
"""


@pytest.mark.parametrize("point", ["snapshot-mid:3", "snapshot-handoff"])
def test_a_process_can_be_killed_at_the_named_points_of_a_snapshot(source: Source, point: str) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 100)")
    slot = f"kill_{source.sql.info.dbname}"
    killed = subprocess.run(
        [sys.executable, "-c", _CRASHING, source.dsn, slot],
        env=os.environ | {"COEXIST_FAILPOINT": point}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (killed.returncode, killed.stdout) == (-9, "")
    assert f"failpoint reached: {point.split(':')[0]}" in killed.stderr
    again = source.capture("t", slot=slot, publication="p")
    again.check(ResumePoint(None))
    before, position = snapshot(again)
    assert len(before.rows()) == 100
    source.execute("INSERT INTO t VALUES (0)")
    seen: Seen = stream_until(again, ResumePoint(CommitPos(position)), lambda s: s.complete)
    assert [c.new for c in seen.rows()] == [("0",)]
