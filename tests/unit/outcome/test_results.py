"""What a result means, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from agent.model.apply import ClaimedCall
from agent.model.commands import Action, Call, CallResult, RecordKey, ResultKind
from agent.model.ids import CallId, CommandId, EntityId, ObjectName, TargetName
from agent.outcome.results import MOST_ATTEMPTS, backoff, judge
from tests.flow.apply.outbox import spec

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def claimed(attempts: int = 1, more: bool = False) -> ClaimedCall:
    """A call of a customer."""
    key = RecordKey(TargetName("erp"), ObjectName("customer"), EntityId(UUID(int=1)))
    call = Call(
        CallId(1), CommandId(2), key, Action.UPDATE, {"PartyNumber": "C1"}, {"City": "Bern"}, token="v1"
    )
    return ClaimedCall(call, more, attempts)


@pytest.mark.parametrize(
    ("kind", "status", "attempts", "more", "state"),
    [
        (ResultKind.ACCEPTED, 204, 1, False, "applied"),
        (ResultKind.ACCEPTED, 204, 1, True, "waiting"),
        (ResultKind.UNKNOWN, None, 1, False, "unknown"),
        (ResultKind.PARK, 400, 1, False, "parked"),
        (ResultKind.STOP, 401, 99, False, "waiting"),
        (ResultKind.RETRY, 500, 1, False, "waiting"),
        (ResultKind.RETRY, 500, MOST_ATTEMPTS, False, "parked"),
        (ResultKind.RETRY, 429, 99, False, "waiting"),
        (ResultKind.RETRY, None, 99, False, "waiting"),
        (ResultKind.CONFLICT, 412, 1, False, "waiting"),
        (ResultKind.CONFLICT, 412, MOST_ATTEMPTS, False, "parked"),
    ],
)
def test_each_kind_of_result_leads_to_its_state(
    kind: ResultKind, status: int | None, attempts: int, more: bool, state: str
) -> None:
    result = CallResult(CallId(1), kind, status=status, token="v2")
    verdict = judge(claimed(attempts, more), result, spec(), NOW, lambda: 0.5)
    assert verdict.row["to"] == state
    assert (verdict.exception is not None) == (state == "parked")
    assert verdict.row["ask"] == (kind is ResultKind.CONFLICT and state == "waiting")


def test_an_unknown_one_is_asked_about_after_the_longest_processing_time() -> None:
    verdict = judge(claimed(), CallResult(CallId(1), ResultKind.UNKNOWN), spec(), NOW, lambda: 0.5)
    assert verdict.row["not_before"] == NOW + timedelta(seconds=5)


def test_without_the_new_version_the_record_is_read_before_the_next_write() -> None:
    verdict = judge(
        claimed(), CallResult(CallId(1), ResultKind.ACCEPTED, status=204), spec(), NOW, lambda: 0.5
    )
    assert verdict.row["ask"] is True


def test_retry_after_wins_over_the_backoff() -> None:
    later = NOW + timedelta(seconds=77)
    result = CallResult(CallId(1), ResultKind.RETRY, status=429, retry_after=later)
    assert judge(claimed(), result, spec(), NOW, lambda: 0.5).row["not_before"] == later


def test_the_backoff_grows_with_jitter_and_has_a_ceiling() -> None:
    assert [backoff(n, lambda: 0.5).total_seconds() for n in (1, 2, 3, 20)] == [0.5, 1.0, 2.0, 60.0]
    assert backoff(3, lambda: 0.0) < backoff(3, lambda: 0.99)
