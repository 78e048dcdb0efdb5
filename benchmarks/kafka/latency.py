"""From the source's commit to the wanted record, at 200 changes a second, and how much of it is Debezium's and Kafka's."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figures import Figure, percentile
from benchmarks.kafka.estate import TOPIC, KafkaEstate

_MARK = re.compile(r"Bench-(\d+)-")
# When the transaction that wrote the journal, and the wanted record with it, was committed.
_WANTED = """
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8, changes::text
    FROM coexist.journal WHERE event_id > %s AND changes::text LIKE '%%Bench-%%'"""
_LAST = "SELECT coalesce(max(event_id), 0) FROM coexist.journal"


def run(estate: KafkaEstate, *, quick: bool) -> Iterator[Figure]:
    """Transactions of 10 rows at uniformly random moments, 20 of them a second; a reader of the topic beside the agent."""
    seconds = 10 if quick else 60
    estate.settle()
    estate.set_paused(True)
    with estate.ask() as conn:
        before = _number(conn.execute(_LAST).fetchone())
    reader = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kafka.reader", estate.broker.bootstrap, TOPIC],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout is not None
    reader.stdout.readline()  # it reads
    generator = [sys.executable, "-m", "benchmarks.generator", "--rate", "20", "--rows", "10", "--seconds", str(seconds)]
    done = subprocess.run(generator, env=estate.environment, check=True, capture_output=True, text=True)
    commits = {int(n): float(at) for n, at in (line.split() for line in done.stdout.splitlines())}
    estate.wait_derived(estate.mark())
    read = [line.split() for line in reader.communicate("", timeout=60)[0].splitlines()]
    in_topic = [(float(at) - commits[int(n)]) * 1000 for n, at in read if int(n) in commits]
    with estate.ask() as conn:
        rows = conn.execute(_WANTED, (before,)).fetchall()
    wanted = [(at - commits[int(found[1])]) * 1000 for at, text in rows if (found := _MARK.search(text))]
    estate.set_paused(False)
    for share, bound in ((0.50, 45), (0.99, 150)):
        name, part = f"p{share * 100:.0f}", percentile(in_topic, share)
        yield Figure(f"kafka.commit_to_wanted_ms.{name}", percentile(wanted, share), "ms", bound, less=True, sides=(
            Figure("until a reader of the topic has it", part, "ms"),))  # fmt: skip
    yield Figure("kafka.commit_to_wanted.changes_seen", len(wanted) / (10 * len(commits)), "share")


def _number(row: tuple[int] | None) -> int:
    return row[0] if row else 0
