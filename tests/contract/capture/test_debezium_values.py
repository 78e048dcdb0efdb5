"""Debezium's JSON values as the texts that every capture hands over."""

from __future__ import annotations

from typing import Any

import pytest

from agent.model.changes import UNCHANGED, Column
from tests.support.debezium_capture import _text


@pytest.mark.parametrize(
    ("type_name", "value", "text"),
    [
        ("text", "__debezium_unavailable_value", UNCHANGED),
        ("text[]", ["__debezium_unavailable_value"], UNCHANGED),
        ("integer[]", list(b"__debezium_unavailable_value"), UNCHANGED),
        ("text", None, None),
        ("boolean", True, "t"),
        ("integer", -5, "-5"),
        ("date", 0, "1970-01-01"),
        ("numeric(12,2)", "100.50", "100.50"),
    ],
)
def test_a_value_is_told_as_postgresql_prints_it(type_name: str, value: Any, text: Any) -> None:
    assert _text(Column("c", type_name, key=False), value) == text
