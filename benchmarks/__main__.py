"""`python -m benchmarks [--only NAME …] [--quick]`: run, print the conditions and the table, write results.json."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import delivered, growth, latency, memory, outbox, silence
from benchmarks.conditions import conditions, core_ms
from benchmarks.estate import Estate
from benchmarks.figures import Figure, table, write
from sandbox.legacy.book import SIZES, Size

RESULTS = Path(__file__).parent / "results.json"
Run = Callable[..., Iterator[Figure]]

# In this order; those of one book share its estate.
MEDIUM: dict[str, Run] = {
    "outbox": outbox.run,
    "latency": latency.run,
    "delivered": delivered.run,
    "slow": delivered.run_slow,
    "silence": silence.run,
}
LARGE: dict[str, Run] = {"memory": memory.run, "growth": growth.run}


def main() -> int:
    """Entry point; 0 when every bound is kept, 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*MEDIUM, *LARGE], metavar="NAME", help=f"of {[*MEDIUM, *LARGE]}")
    parser.add_argument("--quick", action="store_true", help="small runs: for trying the harness, not for figures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    figures: list[Figure] = []
    for chosen, size in ((MEDIUM, "medium"), (LARGE, "medium" if args.quick else "large")):
        wanted = {n: r for n, r in chosen.items() if not args.only or n in args.only}
        if wanted:
            figures += _on_one_estate(wanted, SIZES[size], quick=args.quick)
    print(table(figures))
    write(args.results, figures)
    return 1 if any(f.verdict == "MISSED" for f in figures) else 0


def _on_one_estate(wanted: dict[str, Run], size: Size, *, quick: bool) -> list[Figure]:
    found: list[Figure] = []
    with ExitStack() as stack:
        estate = stack.enter_context(Estate(size))
        print("\n".join(conditions(estate)), flush=True)
        for name, run in wanted.items():
            options = {"small": lambda: Estate(growth.SMALL)} if name == "growth" else {}
            if name == "growth" and estate.agent is None:
                estate.start()
            print(f"… {name}", file=sys.stderr, flush=True)
            before = core_ms()
            for figure in run(estate, quick=quick, **options):
                print(table([figure]).splitlines()[1], file=sys.stderr, flush=True)
                found.append(figure)
            after = core_ms()
            sides = (Figure("before", before, "ms"), Figure("after", after, "ms"))
            found.append(Figure(f"core_ms.{name}", (before + after) / 2, "ms", sides=sides))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
