"""Versioned migrations of the store: numbered .sql files, applied once, in order, under one advisory lock."""

from __future__ import annotations

import re
from importlib.resources import files

import psycopg

from agent.errors import StoreError

_LOCK = 0x636F6578  # "coex"
_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


def migrate(conn: psycopg.Connection) -> int:
    """Bring the store to this version's schema; returns its number. Raises StoreError on a newer store."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        conn.execute("CREATE TABLE IF NOT EXISTS public.coexist_migration"
                     " (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())")  # fmt: skip
        row = conn.execute("SELECT coalesce(max(version), 0) FROM public.coexist_migration").fetchone()
        current = int(row[0]) if row else 0
        known = _migrations()
        newest = max(known)
        if current > newest:
            raise StoreError(
                f"the store is at schema {current}, this coexist knows {newest}",
                remedy="run the coexist version that upgraded the store, or a newer one",
            )
        for version in sorted(v for v in known if v > current):
            conn.execute(known[version].encode())
            conn.execute("INSERT INTO public.coexist_migration (version) VALUES (%s)", (version,))
    return newest


def _migrations() -> dict[int, str]:
    folder = files("agent.store").joinpath("migrations")
    found: dict[int, str] = {}
    for entry in folder.iterdir():
        match = _FILE.match(entry.name)
        if match:
            found[int(match[1])] = entry.read_text(encoding="utf-8")
    return found
