"""Model test of outbox, apply and outcome over the real store tables: whatever is lost, late, frozen or
restarted, each step has one effect, nothing older follows anything newer, and the end is what was wanted.

An effect is a write that the target accepted; the same content accepted twice counts two.
COEXIST_MODEL_EXAMPLES sets the number.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg_pool import AsyncConnectionPool

from agent.apply.worker import Worker
from agent.model.apply import ClaimedRequest
from agent.model.commands import Action, Call
from agent.store import embedded
from agent.store.migrate import migrate
from tests.flow.apply.conftest import Bench
from tests.flow.apply.outbox import PROFILE, states, want
from tests.flow.apply.test_happy import customer, invoice
from tests.support.memory_target import MemoryTarget

EXAMPLES = int(os.environ.get("COEXIST_MODEL_EXAMPLES", "40"))
SHRINK = "COEXIST_MODEL_SHRINK" in os.environ  # slow: minutes
_SPACE = UUID(int=7)
FAULTS = st.sampled_from(["", "drop_before", "drop_after", "late", "retry"])
WHO = st.integers(0, 1)


@dataclass
class Hands:
    """What one worker has in its hands: claimed, checked (may send), answered (not recorded)."""

    name: str
    worker: Worker
    claimed: list[ClaimedRequest] = field(default_factory=list)
    checked: list[ClaimedRequest] = field(default_factory=list)
    answered: list[Any] = field(default_factory=list)


class ApplyModel(RuleBasedStateMachine):
    """See the module. Everything is driven step by step; time moves only in rules."""

    store: psycopg.Connection[Any]
    pool: AsyncConnectionPool[Any]
    runner: asyncio.Runner

    @initialize()
    def begin(self) -> None:
        tables = "record command request call outcome cross_reference exception target audit"
        self.store.execute("TRUNCATE " + ", ".join(f"coexist.{t}" for t in tables.split()))
        self.bench = Bench(self.store, self.pool)
        self.target: MemoryTarget = self.bench.target
        self.boots = 0
        self.hands = [self._boot("one"), self._boot("two")]
        self.wanted: dict[UUID, tuple[str, dict[str, Any] | None]] = {}
        self.posted: set[UUID] = set()

    def _boot(self, instance: str) -> Hands:
        self.boots += 1
        name = f"{instance}#{self.boots}"
        return Hands(name, self.bench.worker(name))

    def _do(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    # ---- what is wanted

    def _want(self, name: str, number: int, wanted: dict[str, Any], **how: Any) -> UUID:
        entity = uuid5(_SPACE, f"{name}{number}")
        self.wanted[entity] = (name, wanted or None)
        want(self.store, name, entity, wanted, **how)
        return entity

    @rule(number=st.integers(1, 2), city=st.sampled_from(["A", "B"]))
    def a_customer(self, number: int, city: str) -> None:
        self._want("customer", number, customer(f"C{number}", city=city))

    @rule(number=st.integers(1, 2))
    def a_customer_deleted(self, number: int) -> None:
        if uuid5(_SPACE, f"customer{number}") in self.wanted:
            self._want("customer", number, {}, kind="delete")

    @rule(terms=st.sampled_from(["Net30", "Net60"]))
    def an_account(self, terms: str) -> None:
        account = {
            "external_number": "C1",
            "legal_entity": "usmf",
            "customer": "C1",
            "currency": "USD",
            "payment_terms": terms,
        }
        self._want("customer_account", 1, account)

    @rule(amount=st.sampled_from(["10", "20"]))
    def a_payment(self, amount: str) -> None:
        payment = {
            "external_number": "P1", "legal_entity": "usmf", "customer": "C1", "payment_date": "2024-05-01",
            "currency": "USD", "amount": amount, "method": "WIRE", "allocations": [],
        }  # fmt: skip
        self._want("payment", 1, payment)

    @rule(amount=st.sampled_from(["10", "20"]), advance=st.sampled_from(["", "", "posted", "void"]))
    def an_invoice(self, amount: str, advance: str) -> None:
        entity = uuid5(_SPACE, "invoice1")
        before = (self.wanted.get(entity) or ("", None))[1]
        status = before["status"] if before else "draft"
        if status == "void" or (advance == "void" and status != "posted"):
            return
        stepped = bool(advance) and advance != status
        status = advance or status
        if status == "posted":
            self.posted.add(entity)
        how = {"kind": "step" if stepped else "state", "step": status}
        self._want("invoice", 1, invoice("I1", status, amount), **how)

    @rule()
    def an_invoice_deleted(self) -> None:
        entity = uuid5(_SPACE, "invoice1")
        if (self.wanted.get(entity) or ("", None))[1]:
            self._want("invoice", 1, {}, kind="delete", step="deleted")

    # ---- what workers do

    def _holding(self, what: str) -> Hands:
        return next(h for h in self.hands if getattr(h, what))

    @rule(who=WHO, faults=st.lists(FAULTS, min_size=1, max_size=4))
    def round(self, who: int, faults: list[Any]) -> None:
        """A worker's whole round, with what may go wrong on the wire."""
        hands = Hands(self.hands[who].name, self.hands[who].worker)
        self._claim(hands, 5)
        self._check(hands)
        self._perform(hands, faults)
        self._record(hands)

    @rule(who=WHO, limit=st.integers(1, 3))
    def claim_and_freeze(self, who: int, limit: int) -> None:
        self._claim(self.hands[who], limit)

    @precondition(lambda self: any(h.claimed for h in self.hands))
    @rule()
    def thaw_before_the_check(self) -> None:
        self._check(self._holding("claimed"))

    @precondition(lambda self: any(h.checked for h in self.hands))
    @rule(faults=st.lists(FAULTS, max_size=4))
    def thaw_after_the_check(self, faults: list[Any]) -> None:
        self._perform(self._holding("checked"), faults)

    @precondition(lambda self: any(h.answered for h in self.hands))
    @rule()
    def record_late(self) -> None:
        self._record(self._holding("answered"))

    @rule(who=WHO, seconds=st.sampled_from([1, 6]))
    def time_passes_and_it_is_asked(self, who: int, seconds: int) -> None:
        self.bench.clock.forward(seconds)
        self._do(self.hands[who].worker.ask(10))

    @rule(who=WHO)
    def leases_end_and_the_other_goes_on(self, who: int) -> None:
        self.bench.clock.forward(11)
        self._do(self.hands[who].worker.outbox.take_over())
        self.round(who, [])

    @rule(who=WHO, checked=st.booleans())
    def freeze_over_the_lease(self, who: int, checked: bool) -> None:
        """One freezes, before or after its last check; the other takes over and works; the first one
        thaws.
        """
        frozen, other = Hands(self.hands[who].name, self.hands[who].worker), self.hands[1 - who]
        self._claim(frozen, 5)
        if checked:
            self._check(frozen)
        self.bench.clock.forward(17)
        self._do(other.worker.outbox.take_over())
        self._do(other.worker.ask(10))
        self.round(1 - who, [])
        self._check(frozen)
        self._perform(frozen, [])
        self._record(frozen)

    @precondition(lambda self: self.target.late)
    @rule()
    def late_work(self) -> None:
        self.target.do_late()

    @rule(who=WHO, where=st.sampled_from(["anywhere", "after the check", "after the call"]))
    def restart(self, who: int, where: str) -> None:
        """SIGKILL: what was in hand is forgotten; the next boot holds the instance's lock at once."""
        if where != "anywhere":
            self._claim(self.hands[who], 3)
            self._check(self.hands[who])
        if where == "after the call":
            self._perform(self.hands[who], [])
        new = self._boot(self.hands[who].name.partition("#")[0])
        new.worker.outbox._alone = self.store  # type: ignore[attr-defined]
        self.hands[who] = new
        self._do(new.worker.outbox.take_over())

    @rule()
    def tidy(self) -> None:
        self._do(self.hands[0].worker.outbox.tidy())

    def _claim(self, hands: Hands, limit: int) -> None:
        hands.claimed += self._do(hands.worker.claim(limit)).requests

    def _check(self, hands: Hands) -> None:
        """The last claim check; whatever happened since the claim is a freeze before it."""
        if hands.claimed:
            hands.checked += self._do(hands.worker.check(hands.claimed))
        hands.claimed = []

    def _perform(self, hands: Hands, faults: list[Any]) -> None:
        """The bytes leave; whatever happened since the check is a freeze after it."""
        for request in hands.checked:
            if self._frozen_too_long(request):
                continue
            self.target.faults = [
                fault if fault != "late" or _guarded(c.call) else "drop_after"
                for c, fault in zip(request.calls, faults, strict=False)
            ]
            hands.answered.append((request, self._do(hands.worker.perform(request))))
        self.target.faults = []
        hands.checked = []

    def _frozen_too_long(self, request: ClaimedRequest) -> bool:
        """Taken over after its check, only a key or token stops it; elsewhere the promise is made up to
        here.
        """
        row = self.store.execute(
            "SELECT FROM coexist.outcome o JOIN coexist.call k USING (call_id)"
            " WHERE k.request_id = %s AND o.code = 'taken_over' AND o.kind = 'unknown'",
            (request.request_id,),
        ).fetchone()
        return row is not None and not all(_guarded(c.call) for c in request.calls)

    def _record(self, hands: Hands) -> None:
        if hands.answered:
            self._do(hands.worker.record(hands.answered))
        hands.answered = []

    # ---- what must hold

    @invariant()
    def one_effect_per_step_and_never_older_after_newer(self) -> None:
        if not hasattr(self, "target"):
            return
        seen: set[Any] = set()
        newest: dict[Any, int] = {}
        for effect in self.target.effects:
            call = effect.call
            one = (
                call.command_id,
                call.action,
                repr(sorted(call.external_key.items())),
                call.marker,
                call.digest,
            )
            assert one not in seen, f"doubled: {one}"
            seen.add(one)
            assert call.command_id >= newest.get(call.key, 0), f"older after newer: {call}"
            newest[call.key] = call.command_id

    def teardown(self) -> None:
        if not hasattr(self, "target"):
            return
        for hands in self.hands:
            self._check(hands)
            self._perform(hands, [])
            self._record(hands)
        self.target.do_late()
        self.restart(0, "anywhere")
        self._do(self._settle())
        self.one_effect_per_step_and_never_older_after_newer()
        for entity, (name, wanted) in self.wanted.items():
            self._compare(entity, name, wanted)
        stray = self.store.execute("SELECT count(*) FROM coexist.exception WHERE state = 'open'").fetchone()
        assert stray == (0,)

    async def _settle(self) -> None:
        worker = self.hands[0].worker
        for _ in range(4):
            self.bench.clock.forward(60)
            await worker.outbox.take_over()
            await self.bench.drain(worker)
            parked = self.store.execute(
                "SELECT command_id, reason FROM coexist.command WHERE state = 'parked'"
            ).fetchall()
            if not parked:
                break
            # A person looks and finds nothing: it may be sent.
            assert {reason for _, reason in parked} == {"unknown_outcome"}, parked
            self.store.execute("UPDATE coexist.command SET state = 'waiting' WHERE state = 'parked'")
        assert set(states(self.store)) <= {"applied", "superseded", "suppressed"}, states(self.store)

    def _compare(self, entity: UUID, name: str, wanted: dict[str, Any] | None) -> None:
        held = [h for h in self.target.held.values() if h.object == name]
        if name == "customer":
            number = next(n for n in (1, 2) if uuid5(_SPACE, f"customer{n}") == entity)
            there = [h.native for h in held if h.key["PartyNumber"] == f"C{number}"]
            assert not wanted or [(n["City"], n["IsActive"]) for n in there] == [(wanted["city"], "Yes")]
            assert wanted or [n["IsActive"] for n in there] in ([], ["No"])
        elif name == "customer_account":
            assert wanted
            assert [h.native["PaymentTermsName"] for h in held] == [wanted["payment_terms"]]
        elif name == "payment":
            assert wanted
            assert [h.native["Amount"] for h in held if h.lifecycle == "posted"] == [
                Decimal(wanted["amount"])
            ]
        else:
            self._compare_invoice(entity, held, wanted)

    def _compare_invoice(self, entity: UUID, held: list[Any], wanted: dict[str, Any] | None) -> None:
        status = wanted["status"] if wanted else "deleted"
        amount = Decimal(wanted["net_total"]) if wanted else Decimal(0)
        total = sum(h.native["TotalAmount"] for h in held if h.lifecycle == "posted")
        drafts = [h.native["TotalAmount"] for h in held if h.lifecycle == "draft"]
        assert total == (amount if status == "posted" else 0), (status, held)
        assert drafts == ([amount] if status == "draft" else []), (status, held)
        assert all(
            sum(line["LineAmount"] for line in h.lines.values()) == h.native["TotalAmount"] for h in held
        )
        posts = [
            e for e in self.target.effects if e.call.action is Action.POST and e.call.key.entity_id == entity
        ]
        assert bool(posts) == (entity in self.posted)


def _guarded(call: Call) -> bool:
    """Whether the target itself refuses this call when it comes a second time or too late."""
    protection = PROFILE.objects[call.key.object].protection
    return protection.token or (protection.key and call.action is Action.CREATE)


@pytest.fixture
def model(server: embedded.EmbeddedServer, store: psycopg.Connection[Any]) -> Iterator[type[ApplyModel]]:
    """The machine, bound to a fresh store."""
    migrate(store)
    dsn = server.dsn_of(store.info.dbname)
    with asyncio.Runner() as runner:
        pool = AsyncConnectionPool(dsn, min_size=1, max_size=4, open=False, kwargs={"autocommit": True})
        runner.run(pool.open())
        ApplyModel.store, ApplyModel.pool, ApplyModel.runner = store, pool, runner
        yield ApplyModel
        runner.run(pool.close())


def test_apply_keeps_its_promises_whatever_happens(model: type[ApplyModel]) -> None:
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
