"""Looks after one source's connector: starts failed tasks again, calls a person when that does not help or nothing moves.

Of several replicas the one that holds the source's lock in the store does it; the others only watch for the lock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import psycopg

from agent.connectors.rest import Connect
from agent.connectors.state import ConnectorState
from agent.connectors.supervise import Memory, Rules, Seen, Verdict, decide
from agent.daemon.loop import Stop
from agent.errors import CoexistError, SourceUnavailable
from agent.observe.health import Loop
from agent.operations.connect import Managed, become_supervisor, complain, complaint, settle, stands
from agent.ports import Observer

_EVERY = 5.0

_CODES = {
    "give_up": ("connector_failed", "see the worker's log; when the cause is gone: `coexist connect restart {}`"),
    "stuck": ("connector_stuck", "see the worker's log and the source; then `coexist connect restart {}`"),
    "missing": ("connector_missing", "`coexist connect apply {}` makes it"),
    "refused": ("connect_refused", "check `connect:` of source {}, and its worker"),
}


class StreamSilence:
    """How long the stream of a source has not moved, whoever of the replicas reads it: even an idle connector's heartbeats
    move it.
    """

    def __init__(self, connect_store: Callable[[], psycopg.Connection[Any]], source: str) -> None:
        self._connect_store = connect_store
        self._source = source
        self._stood: str | None = None
        self._since: float | None = None

    def seconds(self) -> float | None:
        """None: it was never read."""
        with self._connect_store() as conn:
            now = stands(conn, self._source)
        if now is None:
            return None
        if self._since is None or now != self._stood:
            self._stood, self._since = now, time.monotonic()
        return time.monotonic() - self._since


class ConnectLoop:
    """`work` is what the supervisor runs. silent: seconds since the agent last heard of the connector; None: it never has.

    connect_store: a store connection of its own, which holds the lock. every: seconds from one look to the next.
    """

    def __init__(
        self, it: Managed, connect_store: Callable[[], psycopg.Connection[Any]], silent: Callable[[], float | None],
        stop: Stop, observer: Observer, loop: Loop, *, rules: Rules | None = None, every: float = _EVERY,
    ) -> None:  # fmt: skip
        self._it = it
        self._connect_store = connect_store
        self._silent = silent
        self._stop = stop
        self._observer = observer
        self._loop = loop
        self._rules = rules or Rules.of(it.settings)
        self._every = every
        # A look that has to wait would come too late: the next one asks again anyway.
        self._client = Connect(it.worker, patience=0.0, wait=stop.wait)

    def work(self) -> None:
        """Look after it until the daemon ends."""
        with self._connect_store() as conn:
            # What another replica knows better is no number here; PromQL's min and max pass it by.
            self._observer.gauge("connector_up", math.nan, source=self._it.source)
            while not become_supervisor(conn, self._it.source):
                self._loop.idle()
                if self._stop.wait(self._every):
                    return
            memory = self._remembered(conn)
            while not self._stop.is_set():
                self._loop.working()
                memory = self._look(conn, memory)
                self._loop.idle()
                self._stop.wait(self._every)

    def _remembered(self, conn: psycopg.Connection[Any]) -> Memory:
        """Who looked after it before may have given up on it: then so do we, until it runs."""
        code = complaint(conn, self._it.source)
        restarts = self._rules.restarts if code == _CODES["give_up"][0] else 0
        return Memory(restarts=restarts, complained=code is not None)

    def _look(self, conn: psycopg.Connection[Any], memory: Memory) -> Memory:
        state: ConnectorState | None = None
        reachable = True
        try:
            state = self._client.status(self._it.name)
        except SourceUnavailable:
            reachable = False
        except CoexistError as error:
            # Not ours to die of: the source may be read all the same.
            self._report(conn, "refused", error.what)
            return Memory(memory.restarts, memory.restarted_at, complained=True)
        now = Seen(time.monotonic(), state, self._silent(), reachable)
        memory, verdict = decide(self._rules, memory, now)
        self._observer.gauge("connector_up", float(verdict.up), source=self._it.source)
        self._observer.gauge("connector_task_failed", verdict.failed, source=self._it.source)
        self._act(conn, memory, verdict)
        return memory

    def _act(self, conn: psycopg.Connection[Any], memory: Memory, verdict: Verdict) -> None:
        source = self._it.source
        if verdict.action == "restart":
            self._observer.count("connector_restarts", source=source)
            self._observer.event(
                "warning", "connector failed, starting it again", source=source, connector=self._it.name,
                error=verdict.why, restart=memory.restarts,
            )  # fmt: skip
            try:
                self._client.restart(self._it.name)
            except CoexistError as error:
                self._observer.event("warning", "connector not started again", source=source, error=str(error))
        elif verdict.action == "recovered":
            if settle(conn, source, "the connector works again"):
                self._observer.event("info", "connector works again", source=source, connector=self._it.name)
        elif verdict.action != "none":
            self._report(conn, verdict.action, verdict.why)

    def _report(self, conn: psycopg.Connection[Any], action: str, why: str) -> None:
        code, remedy = _CODES[action]
        known = complaint(conn, self._it.source) == code
        complain(conn, self._it.source, code, f"connector {self._it.name}: {why}", remedy.format(self._it.source))
        if not known:
            self._observer.event("error", "connector needs a person", source=self._it.source, code=code, why=why)
