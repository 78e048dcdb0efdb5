"""`python -m sandbox.psa create|load|activity --dsn-env VAR`: the PSA database by hand."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict

from sandbox.psa.activity import Activity
from sandbox.psa.book import SIZES, create, load
from sandbox.psa.connect import connect


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.psa", description=__doc__)
    parser.add_argument("verb", choices=sorted(_VERBS))
    parser.add_argument("--dsn-env", required=True, help="environment variable that holds mysql://user:password@host:port/database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", choices=sorted(SIZES), default="small", help="load: how big the book is")
    parser.add_argument("--rate", type=float, default=20, help="activity: transactions per second")
    parser.add_argument("--seconds", type=float, default=10, help="activity: for how long")
    parser.add_argument("--only", nargs="*", help="activity: these operations and no others")
    return parser.parse_args()


def _create(dsn: str, _: argparse.Namespace) -> object:
    with closing(connect(dsn, autocommit=True)) as conn:
        create(conn)
    return {"created": "psa"}


def _load(dsn: str, args: argparse.Namespace) -> object:
    with closing(connect(dsn)) as conn:
        return load(conn, seed=args.seed, size=args.size)


def _activity(dsn: str, args: argparse.Namespace) -> object:
    with Activity(dsn, seed=args.seed, weights=args.only or None) as activity:
        return asdict(activity.run(args.rate, args.seconds))


_VERBS: dict[str, Callable[[str, argparse.Namespace], object]] = {"create": _create, "load": _load, "activity": _activity}


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
