"""The store's numbers as gauges: what the daemon publishes at intervals."""

from __future__ import annotations

from typing import Any

import psycopg

from agent.model.commands import CommandState
from agent.operations.books import books
from agent.operations.status import status
from agent.ports import Observer


def publish(conn: psycopg.Connection[Any], observer: Observer) -> None:
    """Set every gauge that is read from the store. One pass costs a few counts; call it every 10 s or so."""
    now = status(conn)
    for stream in now.streams:
        observer.gauge("lag_seconds", stream.lag_seconds, source=stream.source)
        observer.gauge("inbox_rows", stream.inbox_rows, source=stream.source)
        observer.gauge("dirty_entities", stream.dirty, source=stream.source)
        observer.gauge("position", stream.position or 0, source=stream.source)
    for target in now.targets:
        observer.gauge("target_held", float(target.held), target=target.target)
        for state in CommandState:
            observer.gauge("commands", target.commands.get(state, 0), target=target.target, state=state.value)
    for stage in ("capture", "copy", "merge", "evaluate", "validate", "decide", "apply", "brake", "baseline"):
        observer.gauge("open_exceptions", now.open_exceptions.get(stage, 0), stage=stage)
    for ledger in books(conn).ledgers:
        observer.gauge("books_difference", ledger.difference, ledger=ledger.ledger, scope=ledger.scope)
