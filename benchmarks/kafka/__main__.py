"""`python -m benchmarks.kafka [--only NAME …] [--quick]`: run, print the conditions and the table, add to results.json."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.__main__ import RESULTS
from benchmarks.conditions import conditions
from benchmarks.estate import Estate
from benchmarks.figures import Figure, table, write
from benchmarks.kafka import filled, latency, silence
from benchmarks.kafka.estate import KafkaEstate
from sandbox.legacy.book import SIZES

PARTS = ("filled", "latency", "silence")


def main() -> int:
    """Entry point; 0 when every bound is kept, 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kafka", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="NAME", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="small runs: for trying the harness, not for figures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    found = list(_figures(args.only, quick=args.quick))
    print(table(found))
    write(args.results, found)
    return 1 if any(f.verdict == "MISSED" for f in found) else 0


def _figures(only: tuple[str, ...], *, quick: bool) -> Iterator[Figure]:
    size = SIZES["small" if quick else "medium"]
    changes, kills = (2_000, 1) if quick else (100_000, 3)
    direct, ours = 0.0, []
    if "filled" in only:
        with Estate(size) as estate:
            print("\n".join(conditions(estate)), flush=True)
            estate.start()
            direct = filled.changes_per_second(estate, changes)
            estate.stop()
    with KafkaEstate(size) as estate:
        estate.connect()
        estate.start()
        if "filled" in only:
            yield from filled.figures(filled.changes_per_second(estate, changes), direct)
        if "latency" in only:
            yield from latency.run(estate, quick=quick)
        if "silence" in only:
            ours = silence.seconds(estate, kills)
    if "silence" in only:
        with KafkaEstate(
            SIZES["small"], broker=silence.DEFAULT_BROKER, worker=silence.DEFAULT_WORKER, connector=silence.DEFAULT_CONNECTOR
        ) as estate:
            estate.connect()
            estate.start()
            estate.settle()
            yield from silence.figures(ours, silence.seconds(estate, 1))


if __name__ == "__main__":
    raise SystemExit(main())
