"""`python -m sandbox.legacy create|load --dsn-env VAR`: make and fill the legacy database by hand."""

from __future__ import annotations

import argparse
import json
import os
import sys

import psycopg

from sandbox.legacy.book import SIZES, create, load


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.legacy", description=__doc__)
    parser.add_argument("verb", choices=("create", "load"))
    parser.add_argument("--dsn-env", required=True, help="environment variable that holds the database's URI")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    return parser.parse_args()


def main() -> int:
    """Run one verb; prints what was done as JSON."""
    args = _arguments()
    dsn = os.environ.get(args.dsn_env)
    if not dsn:
        sys.stderr.write(f"environment variable {args.dsn_env} is not set\n")
        return 2
    with psycopg.connect(dsn, autocommit=True) as conn:
        if args.verb == "create":
            create(conn)
            print(json.dumps({"created": "fin"}))
        else:
            print(json.dumps(load(conn, seed=args.seed, size=args.size)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
