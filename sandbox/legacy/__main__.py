"""`python -m sandbox.legacy create|load|activity|huge|bulk --dsn-env VAR`: the legacy database by hand."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

import psycopg

from sandbox.legacy.activity import Activity
from sandbox.legacy.book import SIZES, create, load
from sandbox.legacy.bulk import Bulk, huge


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.legacy", description=__doc__)
    parser.add_argument("verb", choices=sorted(_VERBS))
    parser.add_argument("--dsn-env", required=True, help="environment variable that holds the database's URI")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", choices=sorted(SIZES), default="small", help="load: how big the book is")
    parser.add_argument(
        "--rate", type=float, default=20, help="activity: transactions per second; bulk: rows"
    )
    parser.add_argument("--seconds", type=float, default=10, help="activity, bulk: for how long")
    parser.add_argument("--only", nargs="*", help="activity: these operations and no others")
    parser.add_argument("--rows", type=int, default=500_000, help="huge: row changes in the one transaction")
    return parser.parse_args()


def _create(dsn: str, _: argparse.Namespace) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        create(conn)
    return {"created": "fin"}


def _load(dsn: str, args: argparse.Namespace) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return load(conn, seed=args.seed, size=args.size)


def _activity(dsn: str, args: argparse.Namespace) -> object:
    with Activity(dsn, seed=args.seed, weights=args.only or None) as activity:
        return asdict(activity.run(args.rate, args.seconds))


def _huge(dsn: str, args: argparse.Namespace) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return {"rows": huge(conn, args.rows)}


def _bulk(dsn: str, args: argparse.Namespace) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return asdict(Bulk(conn, args.seed).at_rate("update", args.rate, args.seconds))


_VERBS: dict[str, Callable[[str, argparse.Namespace], object]] = {
    "create": _create,
    "load": _load,
    "activity": _activity,
    "huge": _huge,
    "bulk": _bulk,
}


def main() -> int:
    """Run one verb; prints what was done as JSON."""
    args = _arguments()
    dsn = os.environ.get(args.dsn_env)
    if not dsn:
        sys.stderr.write(f"environment variable {args.dsn_env} is not set\n")
        return 2
    print(json.dumps(_VERBS[args.verb](dsn, args)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
