"""`python -m sandbox.compare --source-dsn-env VAR [--psa-dsn-env VAR] --record FILE`: the table; exit 4 when sides differ."""

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
    parser.add_argument("--psa-dsn-env", help="environment variable with the PSA database's URI, to compare that too")
    parser.add_argument("--record", required=True, type=Path, help="the ERP sandbox's SQLite file")
    parser.add_argument(
        "--company",
        action="append",
        default=[],
        metavar="CODE=AREA",
        help="legacy company and the ERP's; repeatable",
    )
    args = parser.parse_args(arguments)
    unset = [name for name in (args.source_dsn_env, args.psa_dsn_env) if name and not os.environ.get(name)]
    if unset or not args.record.exists():
        missing = f"environment variable {unset[0]} is not set" if unset else f"{args.record} does not exist"
        sys.stderr.write(missing + "\n")
        return 2
    areas = dict(pair.split("=", 1) for pair in args.company) or AREAS
    psa = os.environ[args.psa_dsn_env] if args.psa_dsn_env else None
    comparison = compare(os.environ[args.source_dsn_env], args.record, areas=areas, psa_dsn=psa)
    print(render(comparison))
    return 0 if comparison.balanced else 4


if __name__ == "__main__":
    raise SystemExit(main())
