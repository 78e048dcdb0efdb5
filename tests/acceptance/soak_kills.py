"""`python -m tests.acceptance.soak_kills [SEEDS]`: the kill matrix at length, with many kills in every run.

A run is one point with one seed: several kills there, then both sides compared and the books balanced. One line per run and the
totals are printed; exit 4 when a run failed. In the environment:

COEXIST_SOAK (or the argument): seeds per point, 50 by default; COEXIST_SOAK_FROM: the first of them
COEXIST_SOAK_POINTS: a comma-separated choice of points
COEXIST_SOAK_KILLS: kills in a run; most of a run's time are starts of the agent
COEXIST_SOAK_WORKERS: how many run side by side, each with servers of its own
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from multiprocessing.sharedctypes import Synchronized

from tests.acceptance.conftest import Running
from tests.acceptance.kills import (
    FAILPOINTS,
    POSTMASTERS,
    Report,
    agent_round,
    capture_round,
    postmaster_round,
    verify,
)
from tests.support.estate import Estate, Servers

KILLS = int(os.environ.get("COEXIST_SOAK_KILLS", "2"))
ROUNDS_PER_ESTATE = 25  # the book grows with every round, and with it the time a comparison takes
POINTS = [*(p.name for p in FAILPOINTS), *(f"{which} postmaster" for which in POSTMASTERS), "capture process"]
Task = tuple[str, int]  # point, seed


def chosen_points() -> list[str]:
    """All, or those that the environment names."""
    named = [name.strip() for name in os.environ.get("COEXIST_SOAK_POINTS", "").split(",") if name.strip()]
    unknown = set(named) - set(POINTS)
    if unknown:
        raise SystemExit(f"unknown points: {sorted(unknown)}; known are {POINTS}")
    return named or POINTS


def run_one(name: str, seed: int, running: Running) -> Report:
    """One run of one point: several kills, then everything must be right."""
    point = next((p for p in FAILPOINTS if p.name == name), None)
    if name == "capture process":
        estate = running.get()
        report = capture_round(estate, seed, kills=KILLS)
        verify(estate)
    elif point is None:
        estate = running.get()
        report = postmaster_round(estate, name.partition(" ")[0], seed, kills=KILLS)
        verify(estate)
    elif point.fresh:
        # A snapshot is cut again and again; the hand-over happens but once.
        with Estate(running.servers, seed=seed) as estate:
            report = agent_round(estate, point, seed, kills=1 if point.most == 1 else KILLS)
            verify(estate)
    else:
        estate = running.get()
        report = agent_round(estate, point, seed, kills=KILLS)
        verify(estate)
    return report


def work(tasks: Sequence[Task], following: Synchronized[int], results: multiprocessing.Queue[Counter[str]]) -> None:
    """Run what nobody else has taken; the last thing told is that there is nothing left."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    servers = Servers()
    running = Running(servers)
    runs = 0
    try:
        while True:
            with following.get_lock():
                number, following.value = following.value, following.value + 1
            if number >= len(tasks):
                break
            if runs and runs % ROUNDS_PER_ESTATE == 0:
                running.discard()
            runs += 1
            results.put(_told(*tasks[number], running))
    finally:
        running.discard()
        servers.remove()
        results.put(Counter({"ended": 1}))


def _told(name: str, seed: int, running: Running) -> Counter[str]:
    """One run, with a line about it."""
    started = time.monotonic()
    try:
        report = run_one(name, seed, running)
    except Exception:  # whatever it was, it is told with its trace, counted, and the soak goes on
        print(f"FAILED {name} seed {seed}\n{traceback.format_exc()}", flush=True)
        running.discard()
        return Counter({"runs": 1, "failed": 1})
    print(f"ok {name} seed {seed}: {report.kills} kills, {report.out_at_kill} commands out at them,"
          f" {report.transactions} transactions, {report.resolved_by_hand} for a person,"
          f" {time.monotonic() - started:.1f} s", flush=True)  # fmt: skip
    return Counter({"runs": 1, "kills": report.kills, "by hand": report.resolved_by_hand})


def main() -> int:
    """All points, all seeds."""
    seeds = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("COEXIST_SOAK", "50"))
    first = int(os.environ.get("COEXIST_SOAK_FROM", "1"))
    points = chosen_points()
    tasks = [(name, seed) for seed in range(first, first + seeds) for name in points]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    context = multiprocessing.get_context("spawn")
    following, results = context.Value("q", 0), context.Queue()
    count = int(os.environ.get("COEXIST_SOAK_WORKERS", min(2, os.cpu_count() or 1)))
    workers = [context.Process(target=work, args=(tasks, following, results)) for _ in range(count)]
    started, total = time.monotonic(), Counter[str]()
    try:
        for worker in workers:
            worker.start()
        while total["ended"] < count:
            total.update(results.get())
    finally:
        for worker in workers:
            if total["ended"] < count:
                worker.terminate()
            worker.join()
    print(f"{total['runs']} runs of {len(tasks)}, {total['kills']} kills, {total['by hand']} outcomes for a person,"
          f" {total['failed']} failed, {time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
    return 0 if total["runs"] == len(tasks) and not total["failed"] else 4


if __name__ == "__main__":
    sys.exit(main())
