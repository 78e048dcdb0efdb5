"""`python -m benchmarks.generator`: transactions at uniformly random moments; prints number and moment of every commit.

Every changed name carries its transaction's number, by which the write at the ERP is found again.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time

import psycopg

_CHANGE = "UPDATE fin.arcust SET nm = %s, cty = %s, upd_ts = localtimestamp WHERE cust_no = ANY (%s)"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, required=True, help="transactions per second")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    rng = random.Random(11)
    moments = sorted(rng.uniform(0, args.seconds) for _ in range(int(args.rate * args.seconds)))
    with psycopg.connect(os.environ["BENCH_SOURCE"], autocommit=True) as conn:
        query = "SELECT cust_no FROM fin.arcust WHERE coalesce(del_flg, ' ') <> 'Y'"
        keys = [row[0] for row in conn.execute(query)]
        commits = []
        begin = time.monotonic()
        for number, moment in enumerate(moments):
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            conn.execute(_CHANGE, (f"Bench-{number}-", f"Ort {number}", rng.sample(keys, args.rows)))
            commits.append((number, time.time()))
    sys.stdout.write("".join(f"{number} {at:.6f}\n" for number, at in commits))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
