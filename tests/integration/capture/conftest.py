"""A fresh source database per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.capturing import Source, source_at


@pytest.fixture
def source(new_database: str) -> Iterator[Source]:
    """Its captures are closed before the database goes."""
    with source_at(new_database) as made:
        yield made
