"""The store's migrations."""

from __future__ import annotations

import psycopg
import pytest

from agent.errors import StoreError
from agent.store.migrate import migrate


def test_migrating_twice_changes_nothing(store: psycopg.Connection) -> None:
    assert migrate(store) == migrate(store)


def test_a_store_from_the_future_is_refused(store: psycopg.Connection) -> None:
    store.execute("INSERT INTO public.coexist_migration (version) VALUES (9999)")
    with pytest.raises(StoreError, match="9999"):
        migrate(store)
