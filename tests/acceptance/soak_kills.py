"""`python -m tests.acceptance.soak_kills [SEEDS]`: the kill matrix at length, with many kills in every run.

COEXIST_SOAK (or the argument) is the number of seeds per point, 50 by default; COEXIST_SOAK_FROM the first of them;
COEXIST_SOAK_POINTS a comma-separated choice of points. Prints one line per run and the totals; exit 4 when a run failed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback

from tests.acceptance.conftest import Running
from tests.acceptance.kills import FAILPOINTS, POSTMASTERS, Report, agent_round, postmaster_round, verify
from tests.support.estate import Estate, Servers

KILLS = 4
ROUNDS_PER_ESTATE = 25  # the book grows with every round, and with it the time a comparison takes
POINTS = [*(p.name for p in FAILPOINTS), *(f"{which} postmaster" for which in POSTMASTERS)]


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
    if point is None:
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


def main() -> int:
    """All points, all seeds."""
    seeds = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("COEXIST_SOAK", "50"))
    first = int(os.environ.get("COEXIST_SOAK_FROM", "1"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    servers = Servers()
    running = Running(servers)
    runs = kills = failures = by_hand = 0
    try:
        for seed in range(first, first + seeds):
            for name in chosen_points():
                if runs and runs % ROUNDS_PER_ESTATE == 0:
                    running.discard()
                runs += 1
                started = time.monotonic()
                try:
                    report = run_one(name, seed, running)
                except Exception:
                    failures += 1
                    print(f"FAILED {name} seed {seed}\n{traceback.format_exc()}", flush=True)
                    running.discard()
                    continue
                kills += report.kills
                by_hand += report.resolved_by_hand
                print(f"ok {name} seed {seed}: {report.kills} kills, {report.out_at_kill} commands out at them,"
                      f" {report.transactions} transactions, {report.resolved_by_hand} for a person,"
                      f" {time.monotonic() - started:.1f} s", flush=True)  # fmt: skip
    finally:
        running.discard()
        servers.remove()
    print(f"{runs} runs, {kills} kills, {by_hand} outcomes for a person, {failures} failed", flush=True)
    return 4 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
