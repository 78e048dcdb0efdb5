"""`python -m benchmarks.kafka.reader BOOTSTRAP TOPIC`: when each of the generator's changes can be read from the topic.

Says `reading` when it reads; prints number and moment of every change it saw when its input ends.
"""

from __future__ import annotations

import re
import sys
import threading
import time

from confluent_kafka import Consumer, TopicPartition

_MARK = re.compile(rb"Bench-(\d+)-")


def main() -> int:
    """Entry point."""
    bootstrap, topic = sys.argv[1:]
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "bench-reader", "isolation.level": "read_committed",
        "enable.auto.commit": False, "fetch.wait.max.ms": 100,
    })  # fmt: skip
    _, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, high)])
    consumer.poll(0.2)
    print("reading", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    seen: list[tuple[int, float]] = []
    while not ended.is_set():
        message = consumer.poll(0.2)
        found = _MARK.search(message.value() or b"") if message is not None and message.error() is None else None
        if found:
            seen.append((int(found[1]), time.time()))
    consumer.close()
    sys.stdout.write("".join(f"{number} {at:.6f}\n" for number, at in seen))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
