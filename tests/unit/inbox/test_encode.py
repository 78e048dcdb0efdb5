"""Row changes survive the way into the inbox, whatever characters they hold."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.inbox.encode import encode_row
from agent.model.changes import UNCHANGED, RowChange
from agent.store.queries import queries

_COPY = queries("agent.inbox", "intake")["copy_rows"]
_TEXT = st.one_of(
    st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    st.text(alphabet='\\"{},\n\r\t\x1e\x1fNUL'),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=st.lists(st.one_of(_TEXT, st.just(UNCHANGED)), min_size=1, max_size=6),
    old=st.lists(_TEXT, min_size=1, max_size=4),
)
def test_every_text_null_and_unchanged_mark_comes_back_as_it_went_in(
    store: psycopg.Connection, values: list[object], old: list[str | None]
) -> None:
    line = encode_row(1, 1, 1, 1, RowChange(1, "u", tuple(old), tuple(values)))  # type: ignore[arg-type]
    with store.transaction(force_rollback=True):
        with store.cursor() as cur, cur.copy(_COPY) as copy:
            copy.write(line)
        row = store.execute("SELECT old_values, new_values, unchanged FROM coexist.inbox").fetchone()
    assert row is not None
    assert row[0] == list(old)
    assert row[1] == [None if v is UNCHANGED else v for v in values]
    assert (row[2] or []) == [n for n, v in enumerate(values, 1) if v is UNCHANGED]


def test_a_text_that_is_not_unicode_is_refused_before_it_reaches_the_set() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_row(1, 1, 1, 1, RowChange(1, "c", None, ("\udcff",)))
