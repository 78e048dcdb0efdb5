"""Puts the stages of one target together: outbox, outcome, port, worker, engine."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from agent.apply.clock import StoreClock
from agent.apply.engine import Engine, EngineSettings
from agent.apply.target import HttpTarget
from agent.apply.worker import Worker
from agent.model.apply import TargetSpec
from agent.outbox.store import OutboxStore
from agent.outcome.store import OutcomeStore
from agent.ports import Observer
from cdc_config.loader import load_profile
from cdc_config.models import Config
from cdc_config.secrets import resolve

_dumps = json.JSONEncoder(default=lambda v: _plain(v), separators=(",", ":")).encode


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(type(value).__name__)


async def exact_json(conn: psycopg.AsyncConnection[Any]) -> None:
    """JSON of this connection keeps every digit: numbers with a fraction are Decimal, never float."""
    set_json_loads(partial(json.loads, parse_float=Decimal), conn)
    set_json_dumps(_dumps, conn)


# Every statement of apply looks up by key. One that is planned while the store is almost empty would otherwise read
# whole tables, and go on doing so when they are full.
BY_KEY = """SELECT set_config(name, 'off', false)
             FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name"""


async def _configure(conn: psycopg.AsyncConnection[Any]) -> None:
    await exact_json(conn)
    await conn.execute(BY_KEY)


def make_pool(dsn: str) -> AsyncConnectionPool[Any]:
    """The store's connections for one target's engine."""
    return AsyncConnectionPool(
        dsn, min_size=2, max_size=6, open=False, configure=_configure,
        kwargs={"autocommit": True, "application_name": "coexist apply", "connect_timeout": 10},
    )  # fmt: skip


class TargetLine:
    """One target's way out. `worker` is the agent's instance name and one word per start of it."""

    def __init__(
        self, config: Config, name: str, dsn: str, observer: Observer, instance: str = "agent"
    ) -> None:
        target = config.targets[name]
        profile = load_profile(target.profile)
        spec = TargetSpec.of(name, profile, target)
        lease = timedelta(seconds=config.agent.lease_seconds)
        self.pool = make_pool(dsn)
        self.clock = StoreClock()
        self.port = HttpTarget(name, target, profile, resolve, observer)
        worker_name = f"{instance}#{secrets.token_hex(6)}"
        self.outbox = OutboxStore(self.pool, spec, worker_name, self.clock, lease)
        outcomes = OutcomeStore(self.pool, spec, self.clock, secrets.SystemRandom().random, lease)
        settings = EngineSettings(
            name, spec.limits.concurrency, spec.limits.batch, config.agent.lease_seconds,
            sources=tuple(config.sources), tenant=target.tenant,
        )  # fmt: skip
        self.engine = Engine(Worker(self.outbox, outcomes, self.port), settings, self.clock, observer)
        self._dsn = dsn
        self._lock: psycopg.AsyncConnection[Any] | None = None

    async def run(self) -> None:
        """Apply until stopped."""
        await self.pool.open(wait=True, timeout=30)
        try:
            self._lock = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
            await self.outbox.hold_instance(self._lock)
            await self.clock.sync(self._lock)
            await self.engine.run()
        finally:
            await self.port.close()
            if self._lock is not None:
                await self._lock.close()
            await self.pool.close()
