"""The pgoutput decoder: what is written comes back, what is broken is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.postgres import pgoutput
from agent.model.changes import UNCHANGED, RowChange
from tests.support import pgoutput_bytes as wire

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.one_of(st.none(), st.just(UNCHANGED), texts)
oids = st.integers(1, 2**32 - 1)
rows = st.lists(values, min_size=1, max_size=6).map(tuple)


@st.composite
def changes(draw: st.DrawFn) -> tuple[RowChange, bytes]:
    oid, op, full = draw(oids), draw(st.sampled_from("cud")), draw(st.booleans())
    new, old = draw(rows), draw(rows)
    if op == "c":
        return RowChange(oid, "c", None, new), wire.insert(oid, new)
    if op == "d":
        return RowChange(oid, "d", old, None, full), wire.delete(oid, old, full=full)
    if draw(st.booleans()):
        return RowChange(oid, "u", None, new), wire.update(oid, new)
    new = tuple(v for v in new if v is not UNCHANGED)
    return RowChange(oid, "u", old, new, full), wire.update(oid, new, old, full=full)


@given(changes(), st.binary(max_size=30))
def test_a_row_message_decodes_to_the_change_it_was_written_from(
    pair: tuple[RowChange, bytes], envelope: bytes
) -> None:
    change, message = pair
    assert pgoutput.decode_change(envelope + message, len(envelope)) == change


@given(changes(), st.data())
def test_a_row_message_cut_short_anywhere_is_refused(
    pair: tuple[RowChange, bytes], data: st.DataObject
) -> None:
    _, message = pair
    end = data.draw(st.integers(1, len(message) - 1))
    with pytest.raises(pgoutput.DecodeError):
        pgoutput.decode_change(message[:end])


@given(changes(), st.binary(min_size=1, max_size=9))
def test_bytes_after_a_row_message_are_refused(pair: tuple[RowChange, bytes], more: bytes) -> None:
    with pytest.raises(pgoutput.DecodeError):
        pgoutput.decode_change(pair[1] + more)


@given(st.binary(min_size=1, max_size=80))
def test_noise_is_refused_and_never_anything_worse(noise: bytes) -> None:
    decoders = (
        pgoutput.decode_change,
        pgoutput.decode_begin,
        pgoutput.decode_commit,
        pgoutput.decode_relation,
        pgoutput.decode_truncate,
    )
    for decode in decoders:
        try:
            decode(noise)
        except pgoutput.DecodeError:
            continue


def test_a_text_longer_than_sixteen_bits_can_say_is_read_whole() -> None:
    long = "ä" * 70_000
    assert pgoutput.decode_change(wire.insert(1, (long, "b"))).new == (long, "b")


def test_bytes_that_are_not_utf8_stay_in_the_text_as_surrogates() -> None:
    message = wire.insert(1, ("caf\udce9", "plain"))
    change = pgoutput.decode_change(message)
    assert change.new == ("caf\udce9", "plain")
    assert str(change.new[0]).encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_a_full_old_image_fills_in_what_the_update_left_alone() -> None:
    message = wire.update(1, ("1", UNCHANGED, "new"), ("1", "large", "old"), full=True)
    assert pgoutput.decode_change(message) == RowChange(
        1, "u", ("1", "large", "old"), ("1", "large", "new"), old_complete=True
    )


def test_a_key_only_old_image_leaves_unchanged_values_unchanged() -> None:
    change = pgoutput.decode_change(wire.update(1, ("2", UNCHANGED), ("1", None)))
    assert change == RowChange(1, "u", ("1", None), ("2", UNCHANGED))


def test_begin_and_commit_carry_position_time_and_transaction() -> None:
    micros = 757_382_400_000_001
    at = datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert pgoutput.decode_begin(wire.begin(0x16_B374D848, micros, 4_000_000_000)) == (
        0x16_B374D848, at, 4_000_000_000,
    )  # fmt: skip
    assert pgoutput.decode_commit(wire.commit(100, 148, micros)) == (100, 148, at)


def test_a_relation_names_its_columns_types_and_key() -> None:
    message = wire.relation(
        16_400, "legacy", "kündün", [("id", 23, -1, True), ("größe", 1700, 786_438, False)], "i"
    )
    assert pgoutput.decode_relation(message) == (
        16_400, "legacy", "kündün", "i", (("id", 23, -1, True), ("größe", 1700, 786_438, False)),
    )  # fmt: skip


@given(st.lists(oids, max_size=5))
def test_a_truncate_names_every_relation(refs: list[int]) -> None:
    assert pgoutput.decode_truncate(wire.truncate(refs, 1)) == (tuple(refs), 1)
