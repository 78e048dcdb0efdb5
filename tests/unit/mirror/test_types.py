"""Which types the mirror keeps."""

from __future__ import annotations

import pytest

from agent.mirror.types import mirror_type


@pytest.mark.parametrize(
    ("source", "mirror"),
    [
        ("integer", "integer"), ("numeric(12,2)", "numeric"), ("character varying(40)", "character varying"),
        ("character(4)", "character(4)"), ("timestamp(3) without time zone", "timestamp without time zone"),
        ("text[]", "text[]"), ("mood", "text"), ("public.mood[]", "text"), ("json", "jsonb"), ("xml", "text"),
    ],
)  # fmt: skip
def test_built_in_types_stay_without_limits_and_others_become_text(source: str, mirror: str) -> None:
    assert mirror_type(source) == mirror
