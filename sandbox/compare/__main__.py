"""`python -m sandbox.compare --source-dsn-env VAR --record FILE`: print the table; exit 4 when the sides differ."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sandbox.compare.compare import AREAS, compare
from sandbox.compare.result import render


def main(arguments: list[str] | None = None) -> int:
    """0 balanced, 2 wrong use, 4 differences."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.compare", description=__doc__)
    parser.add_argument(
        "--source-dsn-env", required=True, help="environment variable with the legacy database's URI"
    )
    parser.add_argument("--record", required=True, type=Path, help="the ERP sandbox's SQLite file")
    parser.add_argument(
        "--company",
        action="append",
        default=[],
        metavar="CODE=AREA",
        help="legacy company and the ERP's; repeatable",
    )
    args = parser.parse_args(arguments)
    dsn = os.environ.get(args.source_dsn_env)
    if not dsn or not args.record.exists():
        missing = (
            f"{args.record} does not exist"
            if dsn
            else f"environment variable {args.source_dsn_env} is not set"
        )
        sys.stderr.write(missing + "\n")
        return 2
    areas = dict(pair.split("=", 1) for pair in args.company) or AREAS
    comparison = compare(dsn, args.record, areas=areas)
    print(render(comparison))
    return 0 if comparison.balanced else 4


if __name__ == "__main__":
    raise SystemExit(main())
