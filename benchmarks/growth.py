"""cost_ratio_1m_over_10k: what a change costs with a mirror of 1,000,000 rows, over that with 10,000.

Both sides see the same work: bursts of changes to customers none of which comes twice in a burst,
so that folding helps neither.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import psycopg

from benchmarks.estate import Estate
from benchmarks.figures import Figure
from sandbox.legacy.book import Size

SMALL = Size(1_000, 1_560)
_PER_BURST = 800
_CHANGE = (
    "UPDATE fin.arcust SET nm = 'Growth ' || pg_current_xact_id(), cty = %s, upd_ts = localtimestamp"
    " WHERE cust_no = ANY (%s)"
)


def run(large: Estate, *, quick: bool, small: Callable[[], Estate]) -> Iterator[Figure]:
    """The large side first, on the estate that is there; then a small one."""
    bursts = 4 if quick else 16
    wall_large, cpu_large = _cost(large, bursts)
    with small() as other:
        rows = other.rows
        other.start()
        wall_small, cpu_small = _cost(other, bursts)
    big, little = f"{large.rows:,} rows", f"{rows:,} rows"
    yield Figure("cost_ratio_1m_over_10k", wall_large / wall_small, "ratio", 2.0, 1.3, less=True, sides=(
        Figure(f"µs per change, {big}", wall_large * 1e6, "µs"),
        Figure(f"µs per change, {little}", wall_small * 1e6, "µs")))  # fmt: skip
    yield Figure("cpu_ratio_1m_over_10k", cpu_large / cpu_small, "ratio", sides=(
        Figure(f"CPU µs per change, {big}", cpu_large * 1e6, "µs"),
        Figure(f"CPU µs per change, {little}", cpu_small * 1e6, "µs")))  # fmt: skip


def _cost(estate: Estate, bursts: int) -> tuple[float, float]:
    """Seconds and CPU seconds per change, after two bursts that do not count. The target is paused."""
    estate.wait_derived(estate.mark(), 1800)
    estate.set_paused(True)
    with psycopg.connect(estate.source_dsn, autocommit=True) as conn:
        query = "SELECT cust_no FROM fin.arcust WHERE coalesce(del_flg, ' ') <> 'Y' ORDER BY cust_no"
        keys = [row[0] for row in conn.execute(query)]
        rng = random.Random(5)
        taken = [_burst(estate, conn, rng.sample(keys, min(_PER_BURST, len(keys)))) for _ in range(bursts + 2)][2:]
    estate.set_paused(False)
    changes = sum(n for n, _, _ in taken)
    return sum(s for _, s, _ in taken) / changes, sum(c for _, _, c in taken) / changes


def _burst(estate: Estate, conn: psycopg.Connection, keys: list[str]) -> tuple[int, float, float]:
    with estate.sender_held():
        for start in range(0, len(keys), 10):
            conn.execute(_CHANGE, (f"Ort {start}", keys[start : start + 10]))
        mark = estate.mark()
        cpu = sum(estate.cpu().values())
        started = time.monotonic()
    estate.wait_derived(mark, every=0.002)
    return len(keys), time.monotonic() - started, sum(estate.cpu().values()) - cpu
