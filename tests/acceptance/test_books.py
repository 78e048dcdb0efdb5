"""The three ledgers balance at any moment, and the loss of one thing anywhere makes them name where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from agent.apply.worker import Worker
from agent.capture.postgres.assemble import Assembler
from agent.capture.postgres.pgoutput import UPDATE
from agent.decide.decide import decide
from agent.decide.write import Decider
from agent.derive.entities import Entities
from agent.derive.evaluate import evaluate
from agent.inbox.intake import Intake
from agent.mirror.merge import Mirror
from agent.model.changes import CaptureBatch
from agent.model.entities import Part
from agent.operations.books import books
from agent.outbox.store import OutboxStore
from agent.outcome.store import OutcomeStore
from agent.store.embedded import EmbeddedServer
from agent.store.migrate import migrate
from sandbox.legacy.book import create, load
from tests.acceptance.conftest import Running
from tests.flow.apply import outbox
from tests.flow.apply.conftest import step
from tests.support.estate import Estate
from tests.support.line import Line
from tests.support.memory_target import MemoryTarget
from tests.support.processes import wait_until
from tests.support.users import Users

pytestmark = pytest.mark.acceptance

_numbers = count(1)
RENAME = "UPDATE fin.arcust SET nm = 'Renamed ' || cust_no WHERE cust_no IN (SELECT cust_no FROM fin.arcust LIMIT 10)"


@pytest.fixture
def line(server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A tiny legacy book, captured and derived."""
    number = next(_numbers)
    names = (f"books_source_{number}", f"books_store_{number}")
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}".encode())
    source_dsn, store_dsn = (server.dsn_of(name) for name in names)
    with psycopg.connect(source_dsn, autocommit=True) as conn:
        create(conn)
        load(conn, seed=number, size="tiny")
    with psycopg.connect(store_dsn, autocommit=True) as conn:
        migrate(conn)
    for name, value in (("LINE_SOURCE", source_dsn), ("LINE_STORE", store_dsn), ("LINE_SECRET", "x")):
        monkeypatch.setenv(name, value)
    made = Line(
        tmp_path, source_dsn, store_dsn,
        {"sources": {"finance": {"slot": names[0]}}, "targets": {"erp": {"brake": {"records": 100_000, "share": 1.0}}}},
    )  # fmt: skip
    made.start()
    assert made.wrong() == []
    yield made
    made.close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (names[0],))
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


class Once:
    """True the first time only."""

    def __init__(self) -> None:
        self.used = False

    def __call__(self) -> bool:
        first = not self.used
        self.used = True
        return first


# ---------------------------------------------------------------------------------------------------- under load


@pytest.mark.parametrize("slices", [256, 20], ids=["whole batches", "slice by slice"])
def test_the_books_balance_at_every_moment_under_load(slices: int, running_estates: Running) -> None:
    with Estate(running_estates.servers, seed=7, settings={"agent": {"slice_entities": slices}}) as estate:
        estate.start()
        wait_until("the store is there", lambda: estate.standing() is not None)
        looked = 0
        with Users(estate.source_dsn, seed=7, rate=60) as users, psycopg.connect(estate.store_dsn, autocommit=True) as conn:
            until = users.committed + 300
            while users.committed < until:
                found = unbalanced(conn)
                assert found == [], f"after {looked} looks and {users.committed} transactions"
                looked += 1
        estate.wait_until_drained()
        assert estate.books().balanced
        assert looked > 50
        assert estate.stop() == 0


def unbalanced(conn: psycopg.Connection[Any]) -> list[Any]:
    """Ledgers out of balance as of one moment."""
    return [(b.ledger, b.scope, b.left, b.right) for b in books(conn).out_of_balance]


# ---------------------------------------------------------------------------------------------------- losses


def test_a_decoded_message_that_is_skipped_shows_in_the_rows(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, once = Assembler.feed, Once()

    def skipping(self: Assembler, data: bytes, start: int = 0) -> None:
        if not (data[start] == UPDATE and once()):
            feed(self, data, start)

    monkeypatch.setattr(Assembler, "feed", skipping)
    line.run(RENAME)
    assert once.used
    assert line.wrong() == [("rows", "finance", 1)]


def test_a_row_that_is_lost_on_the_way_to_the_inbox_shows_in_the_rows(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, once = Intake.append, Once()

    def losing(self: Intake, batch: CaptureBatch) -> int:
        if batch.slices and batch.slices[0].changes and once():
            first = batch.slices[0]
            batch = replace(batch, slices=(replace(first, changes=first.changes[1:]), *batch.slices[1:]))
        return append(self, batch)

    monkeypatch.setattr(Intake, "append", losing)
    line.run(RENAME)
    assert line.wrong() == [("rows", "finance", 1)]


def test_a_row_that_vanishes_from_the_inbox_shows_in_the_rows(line: Line) -> None:
    with line.source.transaction():
        line.source.execute(RENAME.encode())
    line.follow()
    line.store.execute("DELETE FROM coexist.inbox WHERE seq = (SELECT max(seq) FROM coexist.inbox)")
    assert line.wrong() == [("rows", "finance", 1)]
    line.drain()
    assert line.wrong() == [("rows", "finance", 1)]


@pytest.mark.parametrize("where", ["staged", "folded", "snapshot"])
def test_a_row_that_the_merge_loses_shows_in_the_rows(
    where: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge, stage, once = Mirror.merge, Mirror.stage, Once()

    def merging(self: Mirror, first: int, last: int, staged: Any) -> Any:
        if where == "staged" and once():
            name = staged[0].staged
            self._conn.execute(f"DELETE FROM {name} WHERE ctid IN (SELECT ctid FROM {name} LIMIT 1)".encode())
        return merge(self, first, last, staged)

    def staging(self: Mirror, first: int, last: int) -> Any:
        if where == "folded" and once():
            # One that a later change of the same row would have folded away.
            self._conn.execute("DELETE FROM coexist.inbox WHERE seq = %s", (first,))
        return stage(self, first, last)

    monkeypatch.setattr(Mirror, "merge", merging)
    monkeypatch.setattr(Mirror, "stage", staging)
    if where == "snapshot":
        snapshot = Mirror.merge_snapshot

        def sweeping(self: Mirror, first: int, last: int, pos: int) -> Any:
            self._conn.execute("DELETE FROM coexist.inbox WHERE seq = %s", (first,))
            return snapshot(self, first, last, pos)

        monkeypatch.setattr(Mirror, "merge_snapshot", sweeping)
        line.source.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
        line.store.execute("UPDATE coexist.stream SET snapshot_state = 'none', position = NULL")
        line.again()
    else:
        line.run(RENAME, RENAME)
    assert line.wrong() == [("rows", "finance", 1)]


@pytest.mark.parametrize("sliced", [False, True], ids=["whole batch", "slice by slice"])
def test_an_affected_key_that_is_skipped_shows_in_the_entities(
    sliced: bool, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Once()

    def skipping(conn: psycopg.Connection[Any], tables: Any, part: Any, **more: Any) -> Any:
        if once():
            conn.execute(f"DELETE FROM {tables.dirty} WHERE ctid IN (SELECT ctid FROM {tables.dirty} LIMIT 1)".encode())
        return evaluate(conn, tables, part, **more)

    monkeypatch.setattr("agent.derive.entities.evaluate", skipping)
    if sliced:
        line.configure({**line.settings, "agent": {"slice_entities": 4}})
        line.make_deriver()
    line.run(RENAME)
    assert line.wrong() == [("entities", "finance", 1)]


def test_an_affected_key_that_vanishes_while_it_waits_shows_in_the_entities(line: Line) -> None:
    line.configure({**line.settings, "agent": {"slice_entities": 4}})
    line.make_deriver()
    line.source.execute(RENAME.encode())
    line.follow()
    line.step()
    line.store.execute("DELETE FROM coexist.dirty WHERE dirty_id = (SELECT max(dirty_id) FROM coexist.dirty)")
    assert line.wrong() == [("entities", "finance", 1)]
    line.drain()
    assert line.wrong() == [("entities", "finance", 1)]


def test_an_entity_that_is_not_decided_shows_in_the_entities(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding, once = Decider.decide, Once()

    def without_one(part: Callable[[], Part]) -> Part:
        made = part()
        return replace(made, changes=made.changes[1:]) if made.changes and once() else made

    def losing(self: Decider, mapping: str, parts: Sequence[Callable[[], Part]], *args: Any, **more: Any) -> Any:
        return deciding(self, mapping, [partial(without_one, part) for part in parts], *args, **more)

    monkeypatch.setattr(Decider, "decide", losing)
    line.run(RENAME)
    assert line.wrong() == [("entities", "finance", 1)]


def test_an_entity_whose_new_state_is_not_kept_shows_in_the_entities(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, once = Entities._keep, Once()

    def losing(self: Entities, tables: Any, accepted: Sequence[Any]) -> None:
        keep(self, tables, accepted[1:] if accepted and once() else accepted)

    monkeypatch.setattr(Entities, "_keep", losing)
    line.run(RENAME)
    assert line.wrong() == [("entities", "finance", 1)]


@pytest.mark.parametrize("after_deciding", [True, False], ids=["decided", "stored"])
def test_a_wanted_record_that_is_lost_shows_in_the_commands(
    after_deciding: bool, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Once()

    def losing(*args: Any) -> Any:
        out = decide(*args)
        if after_deciding and out.commands and once():
            out.commands.pop()
        return out

    monkeypatch.setattr("agent.decide.write.decide", losing)
    line.run(RENAME)
    if not after_deciding:
        line.store.execute("DELETE FROM coexist.command WHERE command_id = (SELECT max(command_id) FROM coexist.command)")
    assert line.wrong() == [("commands", "erp", 1)]


async def test_an_outcome_that_is_not_recorded_shows_in_the_commands(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, once = OutcomeStore.record, Once()

    async def losing(self: OutcomeStore, results: Sequence[Any], requests: Sequence[int]) -> Any:
        return await record(self, results[1:] if results and once() else results, requests)

    monkeypatch.setattr(OutcomeStore, "record", losing)
    async with _pool(line) as pool:
        await step(_worker(line, pool))
    assert once.used
    assert line.wrong() == [("commands", "erp", 1)]


async def test_a_worker_that_never_comes_back_is_no_loss(line: Line) -> None:
    async with _pool(line) as pool:
        worker = _worker(line, pool)
        claimed = await worker.claim(10)
        await worker.check(claimed.requests)
        assert line.wrong() == []
        assert line.books().ledgers[-1].right["in_flight"] == 10


def _pool(line: Line) -> AsyncConnectionPool[Any]:
    outbox.open_target(line.store)
    return AsyncConnectionPool(line.store_dsn, min_size=1, max_size=4, open=False, kwargs={"autocommit": True})


def _worker(line: Line, pool: AsyncConnectionPool[Any]) -> Worker:
    spec = outbox.spec(legal_entities={"US01": "usmf", "DE01": "demf", "GB01": "gbsi"})
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731
    lease = timedelta(seconds=10)
    return Worker(
        OutboxStore(pool, spec, "agent#1", now, lease), OutcomeStore(pool, spec, now, lambda: 0.5, lease),
        MemoryTarget(dict(spec.objects)),
    )  # fmt: skip
