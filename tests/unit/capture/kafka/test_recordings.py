"""What real connectors wrote, read without them: it ends in what the database itself held."""

from __future__ import annotations

from functools import cache

import psycopg
import pytest

from agent.model.changes import UNCHANGED, RowChange
from tests.support.recordings import Mirror, Recording, load

NAMES = ("postgres", "postgres_schemas", "mariadb")
# Column → why what Debezium tells of it is not what the database holds; every one has a test of its own below.
KNOWN = {("typed", "word"), ("typed", "d_l"), ("typed", "ttz")}


@cache
def played(name: str, max_rows: int = 1000) -> tuple[Recording, Mirror]:
    """The recording and all that comes of it."""
    recording, mirror = load(name), Mirror()
    mirror.take(recording.snapshot(slice_rows=max_rows))
    mirror.take(recording.stream(mirror.resume(), max_rows))
    return recording, mirror


@pytest.mark.parametrize("name", NAMES)
def test_every_recording_says_where_it_comes_from(name: str) -> None:
    about = load(name).about
    database = "mariadb" if name == "mariadb" else "postgresql"
    assert set(about["versions"]) == {"kafka", "debezium", database}
    assert about["settings"]["transforms.ordered.replacement"] == about["settings"]["topic.prefix"]
    assert about["statements"]


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_every_type_is_the_one_in_the_database(store: psycopg.Connection, name: str) -> None:
    recording, mirror = played(name)
    store.execute("SET timezone = 'UTC'")
    for relation in mirror.relations.values():
        table = relation.table
        found, expected = mirror.contents.get(table, {}), recording.rows[table]
        names = [c.name for c in relation.columns if (table, c.name) not in KNOWN]
        if table == "zero":
            continue
        keys = [c.name for c in relation.columns if c.key]
        by_key = {tuple(str(row[k]) for k in keys): row for row in expected}
        assert found.keys() == by_key.keys(), table
        own = ("public.mood", "public.mood[]", "public.positive")
        types = {c.name: "text" if c.type_name in own else c.type_name for c in relation.columns}
        for key, row in found.items():
            for column in names:
                told, held = row[column], by_key[key][column]
                if (table, column, held) == ("typed", "d", "0044-03-15 BC"):
                    continue
                same = store.execute(
                    f"SELECT %s::text::{types[column]}::text IS NOT DISTINCT FROM %s::text::{types[column]}::text",
                    (told, held),
                ).fetchone()
                assert same == (True,), (table, column, told, held)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_rows", [1, 7])
def test_in_small_slices_the_same_transactions_come(name: str, max_rows: int) -> None:
    _, whole = played(name)
    _, small = played(name, max_rows)
    assert small.transactions == whole.transactions
    assert small.captured == whole.captured == sum(map(len, whole.transactions))


@pytest.mark.parametrize("name", NAMES)
def test_from_where_any_batch_ended_exactly_the_rest_comes(name: str) -> None:
    recording, _ = played(name)
    stood = Mirror()
    stood.take(recording.snapshot())
    rest = list(recording.stream(stood.resume(), 1))
    for batch in rest[:: max(1, len(rest) // 12)]:
        if all(piece.complete for piece in batch.slices):
            stood.position, stood.cursor = batch.end_pos, batch.cursor
            left = [p.commit_pos for b in recording.stream(stood.resume()) for p in b.slices]
            assert left == sorted({p.commit_pos for b in rest for p in b.slices if p.commit_pos > batch.end_pos})


def changes(name: str, table: str) -> list[RowChange]:
    """Of one table in the stream, in order."""
    _, mirror = played(name)
    ref = next(ref for ref, relation in mirror.relations.items() if relation.table == table)
    return [c for transaction in mirror.transactions[1:] for c in transaction if c.ref == ref]


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_a_key_is_one_update_from_the_old_key_to_the_new(name: str) -> None:
    moved = next(c for c in changes(name, "keyed") if c.new is not None and c.new[0] == "20")
    assert (moved.op, moved.old and moved.old[:2], moved.new and moved.new[:2]) == ("u", ("2", "two"), ("20", "two"))


def test_large_values_that_a_statement_did_not_touch_are_unchanged_in_all_their_forms() -> None:
    first, second, moved = [c.new or () for c in changes("postgres", "big")][:3]
    _, mirror = played("postgres")
    names = next([c.name for c in r.columns] for r in mirror.relations.values() if r.table == "big")
    forms = {"body", "body2", "js", "jb", "raw", "text_l", "vc_l", "whole_l", "big_l", "id_l"}
    for image, left_out in ((first, forms), (second, forms - {"body"}), (moved, forms - {"body"})):
        assert left_out <= {name for name, value in zip(names, image, strict=True) if value is UNCHANGED}
    assert (moved[0], moved[2]) == ("2", "small now")


def test_a_text_that_only_looks_like_a_placeholder_is_a_text() -> None:
    looks = next(c.new for c in changes("postgres", "big") if c.new is not None and c.new[0] == "3")
    assert looks[2] == "__debezium_unavailable"


def test_old_images_are_complete_under_replica_identity_full_and_keys_only_otherwise() -> None:
    whole, keyed = changes("postgres", "whole"), changes("postgres", "keyed")
    assert all(c.old_complete and c.old and c.old[1] is not None for c in whole if c.op in "ud")
    gone = next(c for c in keyed if c.op == "d")
    assert (gone.old_complete, gone.old) == (False, ("1", "one!", None))
    assert all(c.old_complete for c in changes("mariadb", "keyed") if c.op in "ud")


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_truncates_come_in_their_order(name: str) -> None:
    told = [c.op for c in changes(name, "absent")]
    assert told == (["c", "t", "c", "t", "c"] if name == "postgres" else ["c", "t", "c"])


def test_logical_messages_are_counted_and_are_nothing_also_outside_of_transactions() -> None:
    recording, _ = played("postgres")
    outside = [r for r in recording.records if r.value and b'"op":"m"' in r.value and b'"transaction":null' in r.value]
    assert len(outside) == 2
    assert [c.new[0] for c in changes("postgres", "keyed") if c.new and c.new[0] in "78"][:2] == ["7", "8"]


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_what_snapshots_beside_the_stream_read_comes_as_transactions_of_its_own(name: str) -> None:
    _, mirror = played(name)
    read = [t for t in mirror.transactions[1:] if any(c.op == "r" for c in t)]
    assert all({c.op for c in t} == {"r"} for t in read)
    assert sum(len(t) for t in read) == 120 + 2 * len(
        {c.new for t in read for c in t if mirror.relations[c.ref].table == "keyed"}
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_new_shape_is_named_before_its_first_row(name: str) -> None:
    recording = load(name)
    shapes: list[tuple[str, ...]] = []
    start = Mirror()
    start.take(recording.snapshot())
    for batch in recording.stream(start.resume()):
        shapes += [tuple(c.name for c in r.columns) for r in batch.relations if r.table == "changing"]
        for piece in batch.slices:
            for change in piece.changes:
                if change.new is not None and len(change.new) in (3, 4) and change.new[0] in "2345":
                    start.relations |= {r.ref: r for r in batch.relations}
    told = [shape for n, shape in enumerate(shapes) if n == 0 or shape != shapes[n - 1]]
    assert told == [("id", "v", "gone", "extra"), ("id", "v", "extra"), ("id", "v", "further")]


def test_an_empty_first_table_does_not_hide_the_beginning_of_a_snapshot() -> None:
    for name in ("postgres", "mariadb"):
        recording, mirror = played(name)
        assert not any(b'"snapshot":"first"' in (r.value or b"") for r in recording.records[:60])
        assert mirror.transactions[0][0].op == "r"


def test_statements_of_mariadb_that_have_no_end_or_no_rows_are_nothing() -> None:
    recording, mirror = played("mariadb")
    ddl = b"".join(r.value or b"" for r in recording.records if r.value and b'"ddl"' in r.value)
    assert b"CREATE TABLE `copied`" in ddl
    assert {"50", "51", "52"} <= {str(key[0]) for key in mirror.contents["keyed"]}


def test_zeros_for_a_date_come_as_null_or_as_1970_from_debezium() -> None:
    # Debezium's doing: why `coexist doctor` and the docs warn of a sql_mode without NO_ZERO_DATE.
    _, mirror = played("mariadb")
    (row,) = mirror.contents["zero"].values()
    assert row["d"] is row["ts"] is None
    assert (row["tz"], row["y"]) == ("1970-01-01 00:00:00+00", "1900")
    assert (row["d_not"], row["ts_not"]) == ("1970-01-01", "1970-01-01 00:00:00")


def test_dates_in_an_array_lose_their_era_and_not_that_they_are_infinite() -> None:
    _, mirror = played("postgres")
    assert mirror.contents["typed"][("7",)]["d_l"] == "{infinity,-infinity,0044-03-15}"


def test_a_snapshot_loses_the_era_of_a_date_and_the_stream_does_not() -> None:
    _, mirror = played("postgres")
    assert mirror.contents["typed"][("3",)]["d"] == "0044-03-15"
    ref = next(ref for ref, relation in mirror.relations.items() if relation.table == "typed")
    names = [c.name for c in mirror.relations[ref].columns]
    streamed = [c.new[names.index("d")] for t in mirror.transactions[1:] for c in t if c.ref == ref and c.new]
    assert "0044-03-15 BC" in streamed


def test_a_time_with_a_zone_is_the_same_moment_in_utc() -> None:
    _, mirror = played("postgres")
    assert mirror.contents["typed"][("2",)]["ttz"] == "08:11:12+00"  # the database holds 10:11:12+02


def test_a_name_is_not_captured_for_debezium_tells_it_as_null() -> None:
    _, mirror = played("postgres")
    relation = next(r for r in mirror.relations.values() if r.table == "typed")
    assert "word" not in [c.name for c in relation.columns]


def test_sequence_is_null_after_a_restart_and_nothing_depends_on_it() -> None:
    recording, mirror = played("postgres")
    assert any(b'"sequence":"[null,' in (r.value or b"") for r in recording.records)
    assert mirror.contents["keyed"][("40", "after")]["v"] == "r"
