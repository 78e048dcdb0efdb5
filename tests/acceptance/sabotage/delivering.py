"""Guards between the wanted record and the ERP, each removed by one function. Nothing here is ever shipped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from agent.apply.engine import Engine
from agent.errors import CoexistError
from agent.model.commands import CommandState, ResultKind
from agent.outbox import leases, lifecycle
from agent.outbox.lifecycle import Event
from agent.outbox.store import OutboxStore
from agent.outcome import recording, results
from tests.acceptance.sabotage import instead


def never_taken_over() -> None:
    """Nobody looks for what a dead worker had in hand."""

    async def nothing(self: OutboxStore) -> tuple[int, int]:
        return 0, 0

    instead(OutboxStore, "take_over", nothing)


def sent_without_a_note() -> None:
    """The bytes leave without the commit that says so."""

    async def allowed(self: OutboxStore, requests: Sequence[int]) -> set[int]:
        return set(requests)

    instead(OutboxStore, "mark_sent", allowed)


def sent_again_unasked() -> None:
    """What a dead worker had sent is sent again without asking the target first."""
    statements = dict(leases._SQL)
    text = statements["take_over"]
    changed = text.replace("q.request_id, q.sent_at\n", "q.request_id, NULL::timestamptz AS sent_at\n")
    assert changed != text
    statements["take_over"] = changed
    instead(leases, "_SQL", statements)


def unknown_taken_for_done() -> None:
    """What a dead worker had sent is believed to have arrived."""
    after = lifecycle.after

    def believed(state: CommandState, event: Event) -> CommandState:
        return CommandState.APPLIED if event is Event.LOST else after(state, event)

    instead(leases, "after", believed)


def rest_of_a_document_in_memory() -> None:
    """After the first call of a document the store says that it is done; that there is more is written afterwards."""
    judge, record = results.judge, recording.record

    def judged(claimed: Any, result: Any, *args: Any) -> Any:
        verdict = judge(claimed, result, *args)
        if claimed.more and result.kind is ResultKind.ACCEPTED:
            verdict.row["to"] = CommandState.APPLIED
        return verdict

    async def then_the_rest(conn: psycopg.AsyncConnection[Any], target: Any, done: Any, *args: Any) -> Any:
        recorded = await record(conn, target, done, *args)
        more = [c.call.command_id for c, r in done if c.more and r.kind is ResultKind.ACCEPTED]
        await conn.execute(
            "UPDATE coexist.command SET state = 'waiting', done_at = NULL WHERE command_id = ANY(%s)", (more,)
        )
        return recorded

    instead(recording, "judge", judged)
    instead(recording, "record", then_the_rest)


def answers_forgotten() -> None:
    """An answer that cannot be recorded just now is dropped."""

    async def once(self: Engine, request: Any, results: Any) -> None:
        with suppress(psycopg.Error, CoexistError, OSError):
            await self._record((request, results))
        self._ended(request)

    instead(Engine, "_finish", once)
    patiently = Engine._stubbornly

    async def tried_once(self: Engine, what: str, step: Callable[[], Any]) -> Any:
        return await patiently(self, what, step) if what != "record" else await step()

    instead(Engine, "_stubbornly", tried_once)


def commits_not_flushed() -> None:
    """The store says committed before its log is written."""
    os.environ["ESTATE_STORE"] += "?options=-c%20synchronous_commit%3Doff"


GUARDS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        never_taken_over, sent_without_a_note, sent_again_unasked, unknown_taken_for_done, rest_of_a_document_in_memory,
        answers_forgotten, commits_not_flushed,
    )
}  # fmt: skip
