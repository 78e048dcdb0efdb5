"""COPY's text format and positions: small pure parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.postgres.copytext import parse_line
from agent.capture.postgres.lsn import flush_lsn, lsn_text, parse_lsn, position_before

_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
fields = st.one_of(
    st.none(), st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(sorted(_ESCAPES)))
)


def copied(row: tuple[str | None, ...]) -> bytes:
    """As the documentation says that the server writes it."""
    texts = ("\\N" if f is None else "".join(_ESCAPES.get(c, c) for c in f) for f in row)
    return "\t".join(texts).encode() + b"\n"


@given(st.lists(fields, min_size=1, max_size=6).map(tuple))
def test_a_copied_line_reads_back_as_it_was(row: tuple[str | None, ...]) -> None:
    assert parse_line(copied(row)) == row


def test_a_line_with_bytes_that_are_not_utf8_keeps_them_as_surrogates() -> None:
    assert parse_line(b"1\tcaf\xe9\t\\N\n") == ("1", "caf\udce9", None)


@given(st.integers(0, 2**64 - 1))
def test_an_lsn_survives_its_text_form(lsn: int) -> None:
    assert parse_lsn(lsn_text(lsn)) == lsn


@given(st.integers(1, 2**64 - 1))
def test_flush_and_position_are_each_others_inverse(lsn: int) -> None:
    assert flush_lsn(position_before(lsn)) == lsn


def test_what_is_no_lsn_is_refused() -> None:
    with pytest.raises(ValueError):
        parse_lsn("12345")
