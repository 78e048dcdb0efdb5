"""The mapping oracle for hours: random schemas, mappings and transactions through the real line; counts and seeds are printed.

`python -m tests.soak oracle --sequences 50000 --seed 7`; a failure's seed runs again by `--repeat SEED`.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections import Counter
from multiprocessing.sharedctypes import Synchronized

from tests.support.line_run import Failed, Tally, run
from tests.support.line_servers import Databases, LineServers, line_servers

PER_SCHEMA = 40  # sequences of one schema and its mappings
_EVERY = 60.0  # seconds between two lines of progress


def main(arguments: list[str]) -> int:
    """0 when every state equalled its view."""
    options = _options(arguments)
    with line_servers() as servers:
        if options.repeat is not None:
            return _repeat(servers.databases(), options.repeat)
        return _soak(servers, options)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak oracle", description=__doc__)
    parser.add_argument("--sequences", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("COEXIST_SEED", "1")))
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long, however far it is")
    parser.add_argument("--repeat", type=int, metavar="SEED", help="run one schema's seed again, as a failure printed it")
    return parser.parse_args(arguments)


def _repeat(dbs: Databases, seed: int) -> int:
    tally = Tally()
    try:
        run(dbs, seed, PER_SCHEMA, tally=tally)
    except Failed as failed:
        print(failed, flush=True)
        return 1
    finally:
        print(tally, flush=True)
    return 0


def _soak(servers: LineServers, options: argparse.Namespace) -> int:
    context = multiprocessing.get_context("spawn")
    next_number, results = context.Value("q", 0), context.Queue()
    schemas = -(-options.sequences // PER_SCHEMA)
    end = time.time() + options.seconds
    workers = [
        context.Process(target=_work, args=(servers.databases(), options.seed, schemas, end, next_number, results))
        for _ in range(options.workers)
    ]
    began, told, total, failed = time.monotonic(), time.monotonic(), Tally(), []
    for worker in workers:
        worker.start()
    left = len(workers)
    while left:
        kind, seed, said = results.get()
        left -= kind == "end"
        if kind == "counts":
            total.counts.update(said)
        if kind == "failed":
            failed.append(seed)
            print(f"FAILED: {said}\nagain: python -m tests.soak oracle --repeat {seed}", flush=True)
        if time.monotonic() - told > _EVERY:
            told = time.monotonic()
            print(f"{told - began:.0f} s: {total}; failed {len(failed)}", flush=True)
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - began
    print(f"soak oracle: seed {options.seed}, {seconds:.0f} s, {total}; failed seeds: {failed or 'none'}", flush=True)
    return 1 if failed or total.counts["sequences"] == 0 else 0


def _work(
    dbs: Databases, base: int, schemas: int, end: float, next_number: Synchronized[int],
    results: multiprocessing.Queue[tuple[str, int, str | Counter[str]]],
) -> None:  # fmt: skip
    for _ in itertools.count():
        with next_number.get_lock():
            number, next_number.value = next_number.value, next_number.value + 1
        if number >= schemas or time.time() > end:
            break
        seed, tally = base * 1_000_000 + number, Tally()
        try:
            run(dbs, seed, PER_SCHEMA, tally=tally)
        except Exception as error:
            results.put(("failed", seed, str(error) or repr(error)))
        results.put(("counts", seed, tally.counts))
    results.put(("end", 0, ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
