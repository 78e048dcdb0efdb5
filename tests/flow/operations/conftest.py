"""The story on a real store."""

from __future__ import annotations

import psycopg
import pytest

from tests.flow.operations.story import Story


@pytest.fixture
def story(store: psycopg.Connection) -> Story:
    return Story.tell(store)
