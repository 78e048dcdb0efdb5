"""The conditions of a run, read back from the servers and the machine, never assumed."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import psycopg

from benchmarks.estate import Estate

_SETTINGS = ("server_version", "fsync", "full_page_writes", "synchronous_commit", "wal_level", "shared_buffers")


def conditions(estate: Estate) -> list[str]:
    """Lines for people."""
    lines = [
        f"machine: {len(os.sched_getaffinity(0))} cores, {_memory():.0f} GB, {platform.system()} {platform.machine()}",
        f"python {platform.python_version()}, psycopg {psycopg.__version__}; load before {os.getloadavg()[0]:.1f}",
    ]
    for name, dsn in (("source", estate.source_dsn), ("store", estate.store_dsn)):
        with psycopg.connect(dsn) as conn:
            shown = [f"{s}={_setting(conn, s)}" for s in _SETTINGS]
        lines.append(f"{name}: " + " ".join(shown))
    return lines


def core_ms() -> float:
    """Milliseconds that one core takes for the same little piece of work, at best of five.

    A shared machine gives now more, now less of itself: figures of two runs compare only where these are alike.
    """
    return min(_piece() for _ in range(5)) * 1000


def _piece() -> float:
    began = time.perf_counter()
    held: dict[int, str] = {}
    for n in range(500_000):
        held[n % 5_000] = str(n)
    return time.perf_counter() - began


def _setting(conn: psycopg.Connection, name: str) -> str:
    row = conn.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else "?"


def _memory() -> float:
    first = Path("/proc/meminfo").read_text().split()[1]
    return int(first) / 1e6
