"""Lost replies, conflicts, take-overs: asked about before anything is repeated."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg

from tests.flow.apply.conftest import Bench, step
from tests.flow.apply.outbox import states, want
from tests.flow.apply.test_happy import customer, invoice

PAYMENT = {
    "external_number": "P1", "legal_entity": "usmf", "customer": "C1", "payment_date": "2024-05-01",
    "currency": "USD", "amount": "10", "method": "WIRE", "allocations": [],
}  # fmt: skip


def open_exceptions(store: psycopg.Connection[Any]) -> list[str]:
    """Codes of the open exceptions."""
    return [r[0] for r in store.execute("SELECT code FROM coexist.exception WHERE state = 'open'").fetchall()]


async def test_a_lost_reply_is_asked_about_only_after_the_longest_processing_time(bench: Bench) -> None:
    worker = bench.worker()
    want(bench.store, "customer", uuid4(), customer("C1"))
    bench.target.faults = ["drop_after"]
    await step(worker)
    assert states(bench.store) == {"unknown": 1}
    bench.clock.forward(4.9)
    await step(worker)
    assert bench.target.asked == []
    bench.clock.forward(0.2)
    await step(worker)
    assert states(bench.store) == {"applied": 1}
    assert len(bench.target.arrivals) == 1


async def test_a_lost_payment_that_did_not_arrive_is_sent_again_by_a_living_process(bench: Bench) -> None:
    want(bench.store, "payment", uuid4(), PAYMENT)
    bench.target.faults = ["drop_before"]
    await bench.drain(bench.worker())
    assert len(bench.target.effects) == 1
    assert states(bench.store) == {"applied": 1}


async def test_a_payment_in_doubt_after_a_crash_is_parked_when_it_cannot_be_found(bench: Bench) -> None:
    want(bench.store, "payment", uuid4(), PAYMENT)
    dead = bench.worker("agent#1")
    await dead.check((await dead.claim(10)).requests)
    bench.clock.forward(20)
    alive = bench.worker("agent#2")
    assert await alive.outbox.take_over() == (0, 1)
    await bench.drain(alive)
    assert bench.target.effects == []
    assert states(bench.store) == {"parked": 1}
    assert open_exceptions(bench.store) == ["unknown_outcome"]


async def test_a_payment_in_doubt_after_a_crash_is_found_by_its_marker(bench: Bench) -> None:
    want(bench.store, "payment", uuid4(), PAYMENT)
    dead = bench.worker("agent#1")
    for request in await dead.check((await dead.claim(10)).requests):
        await dead.perform(request)
    bench.clock.forward(20)
    alive = bench.worker("agent#2")
    await alive.outbox.take_over()
    await bench.drain(alive)
    assert len(bench.target.effects) == 1
    assert states(bench.store) == {"applied": 1}
    row = bench.store.execute("SELECT native_id, method FROM coexist.cross_reference").fetchone()
    assert row == ("N-1", "created")


async def test_a_claim_that_was_not_sent_is_free_at_once_for_the_next_boot(bench: Bench) -> None:
    want(bench.store, "customer", uuid4(), customer("C1"))
    dead, alive = bench.worker("agent#1"), bench.worker("agent#2")
    async with bench.pool.connection() as conn:
        await dead.outbox.hold_instance(conn)
        claimed = (await dead.claim(10)).requests
        await conn.execute("SELECT pg_advisory_unlock_all()")  # as when its session ends
        await alive.outbox.hold_instance(conn)
        assert await alive.outbox.take_over() == (1, 0)
    assert await dead.check(claimed) == []
    await bench.drain(alive)
    assert len(bench.target.arrivals) == 1


async def test_replicas_of_one_name_get_numbers_and_keep_their_claims(bench: Bench) -> None:
    want(bench.store, "customer", uuid4(), customer("C1"))
    first, second = bench.worker("agent#1"), bench.worker("agent#2")
    async with bench.pool.connection() as held, bench.pool.connection() as other:
        await first.outbox.hold_instance(held)
        await first.claim(10)
        await second.outbox.hold_instance(other)
        assert await second.outbox.take_over() == (0, 0)
        row = bench.store.execute("SELECT DISTINCT worker FROM coexist.request").fetchall()
    assert row == [("agent-1#1",)]


async def test_a_worker_that_wakes_from_a_freeze_finds_its_claim_gone(bench: Bench) -> None:
    want(bench.store, "customer", uuid4(), customer("C1"))
    frozen, other = bench.worker("a#1"), bench.worker("b#1")
    claimed = (await frozen.claim(10)).requests
    bench.clock.forward(11)
    assert await other.outbox.take_over() == (1, 0)
    await bench.drain(other)
    assert await frozen.check(claimed) == []
    assert states(bench.store) == {"applied": 1}


async def test_late_work_after_the_question_still_has_one_effect_where_a_key_is_enforced(
    bench: Bench,
) -> None:
    worker = bench.worker()
    want(bench.store, "customer", uuid4(), customer("C1"))
    bench.target.faults = ["late"]
    await step(worker)
    bench.clock.forward(6)
    await worker.ask(10)
    assert states(bench.store) == {"waiting": 1}
    bench.target.do_late()
    await bench.drain(worker)
    assert len(bench.target.effects) == 1
    assert [a.action for a in bench.target.arrivals] == ["create", "create"]
    assert states(bench.store)["applied"] == 1


async def test_late_work_after_the_question_and_a_delete_finds_its_key_taken(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "customer", entity, customer("C1"))
    bench.target.faults = ["late"]
    await step(worker)
    bench.clock.forward(6)
    await worker.ask(10)
    want(bench.store, "customer", entity, customer("C1", city="Basel"))
    want(bench.store, "customer", entity, {}, kind="delete")
    await bench.drain(worker)
    bench.target.do_late()
    held = bench.target.held_by("PartyNumber", "C1")
    assert held.native["IsActive"] == "No"
    assert [e.call.action for e in bench.target.effects] == ["create", "update"]


async def test_a_change_made_in_the_cloud_is_read_noted_and_ours_put_back(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "customer", entity, customer("C1"))
    await bench.drain(worker)
    held = bench.target.held_by("PartyNumber", "C1")
    held.native["Name"], held.version = "Changed there", 7
    want(bench.store, "customer", entity, customer("C1", city="Basel"))
    await bench.drain(worker)
    assert (held.native["Name"], held.native["City"]) == ("Acme", "Basel")
    note = bench.store.execute(
        "SELECT action, details FROM coexist.audit WHERE action = 'conflict'"
    ).fetchone()
    assert note == ("conflict", {"name": ["Acme", "Changed there"]})


async def test_a_poisoned_record_parks_alone_and_a_newer_state_passes_it(bench: Bench) -> None:
    worker, poisoned = bench.worker(), uuid4()
    want(bench.store, "customer", poisoned, customer("C1"))
    want(bench.store, "customer", uuid4(), customer("C2"))
    bench.target.faults = ["park"]
    await bench.drain(worker)
    assert states(bench.store) == {"parked": 1, "applied": 1}
    assert open_exceptions(bench.store) == ["validation"]
    want(bench.store, "customer", poisoned, customer("C1", city="Chur"))
    await bench.drain(worker)
    assert states(bench.store) == {"superseded": 1, "applied": 2}
    assert open_exceptions(bench.store) == []


async def test_what_does_not_fit_parks_with_field_and_remedy(bench: Bench) -> None:
    want(bench.store, "customer", uuid4(), customer("C1", name="x" * 101))
    await bench.drain(bench.worker())
    row = bench.store.execute("SELECT code, message, remedy <> '' FROM coexist.exception").fetchone()
    assert row is not None
    assert (row[0], "field name" in row[1], row[2]) == ("too_long", True, True)


async def test_retries_back_off_and_park_in_the_end(bench: Bench) -> None:
    worker = bench.worker()
    want(bench.store, "customer", uuid4(), customer("C1"))
    bench.target.faults = ["retry"]
    await step(worker)
    await step(worker)
    assert bench.target.requests == 1
    bench.target.faults = ["retry"] * 20
    await bench.drain(worker, rounds=200)
    assert states(bench.store) == {"parked": 1}
    assert bench.target.requests == 10


async def test_each_step_arrives_although_the_target_was_away(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    for status in ("posted", "void"):
        want(bench.store, "invoice", entity, invoice("I1", status, "10"), kind="step", step=status)
    await bench.drain(worker)
    assert [(e.call.action.value, e.call.external_key["InvoiceNumber"]) for e in bench.target.effects] == [
        ("create", "I1"),
        ("post", "I1"),
        ("create", "I1-R1"),
        ("post", "I1-R1"),
    ]


async def test_a_restored_store_asks_before_it_creates(bench: Bench) -> None:
    worker, entity = bench.worker(), uuid4()
    want(bench.store, "customer", entity, customer("C1"))
    await bench.drain(worker)
    bench.store.execute("TRUNCATE coexist.record, coexist.command, coexist.call, coexist.cross_reference")
    want(bench.store, "customer", entity, customer("C1", city="Basel"))
    bench.store.execute("UPDATE coexist.record SET must_ask = true")
    await bench.drain(worker)
    assert [e.call.action.value for e in bench.target.effects] == ["create", "update"]
    assert bench.target.arrivals[-1].body == {"City": "Basel"}


async def test_the_baseline_adopts_what_is_there_and_counts_the_rest(bench: Bench) -> None:
    worker, entity = bench.worker(), UUID(int=5)
    for number in ("C1", "C2"):
        want(bench.store, "customer", uuid4(), customer(number))
    want(bench.store, "payment", entity, PAYMENT)
    await bench.drain(worker)
    bench.store.execute(
        "TRUNCATE coexist.record, coexist.command, coexist.call, coexist.cross_reference, coexist.target"
    )
    want(bench.store, "customer", uuid4(), customer("C1"))
    want(bench.store, "payment", entity, PAYMENT)
    await worker.claim(10)
    assert await worker.outcomes.baseline(bench.target, (), "contoso")
    await bench.drain(worker)
    assert len(bench.target.effects) == 3
    assert states(bench.store) == {"suppressed": 2}
    methods = bench.store.execute("SELECT DISTINCT method FROM coexist.cross_reference").fetchall()
    assert methods == [("matched_key",)]
    details = bench.store.execute("SELECT details FROM coexist.audit WHERE action = 'baseline'").fetchone()
    assert details is not None
    assert details[0]["customer"] == {"read": 2, "matched": 1, "only_there": 1}
