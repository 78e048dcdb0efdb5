"""Lists written as array texts are read back by PostgreSQL as what they were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.model.ids import EntityText
from agent.store.arrays import column, plain, texts
from agent.store.embedded import EmbeddedServer

_TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | _TEXT | st.sampled_from(["NULL", "", "{}", "a,b", '"', "\\", " "])))
def test_texts_come_back_as_they_were(server: EmbeddedServer, values: list[str | None]) -> None:
    with psycopg.connect(server.dsn) as conn:
        assert conn.execute("SELECT %s::text[]", (texts(values),)).fetchone() == (values,)


def test_numbers_and_ids_come_back_as_they_were(server: EmbeddedServer) -> None:
    ids = [EntityText(str(uuid4())), EntityText(str(uuid4()))]
    with psycopg.connect(server.dsn) as conn:
        row = conn.execute("SELECT %s::bigint[], %s::uuid[]", (plain([1, -2]), plain(ids))).fetchone()
    assert row == ([1, -2], [UUID(i) for i in ids])


def test_a_column_of_any_type_comes_back_as_it_was(server: EmbeddedServer) -> None:
    moment = datetime(2026, 7, 1, 12, 0, 0, 5, UTC)
    columns: dict[str, list[list[Any]]] = {
        "bigint": [[7, None, 8], [7, 7], [None, None], []],
        "boolean": [[True, False, None], [True, True]],
        "timestamptz": [[None, moment], [moment, moment]],
        "text": [['"', "NULL", None, "\\"], ["a,b", "a,b"]],
    }
    with psycopg.connect(server.dsn, options="-c timezone=UTC") as conn:
        for kind, lists in columns.items():
            for values in lists:
                row = conn.execute(f"SELECT %s::{kind}[]".encode(), (column(values),)).fetchone()
                assert row == (values,), kind
