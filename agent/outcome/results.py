"""What a result means for its command and record: pure, a table per kind of result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from agent.model.apply import ClaimedCall, TargetSpec
from agent.model.commands import CallResult, CommandState, ResultKind

MOST_ATTEMPTS = 10
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
# Said about the target, not about this record: waiting it out costs the record none of its attempts.
_TARGET_WIDE = frozenset({None, 429, 503})

Chance = Callable[[], float]  # 0 ≤ x < 1


class Verdict(NamedTuple):
    """One row for the recording statement, and the exception to open, if any."""

    row: dict[str, Any]
    exception: dict[str, Any] | None = None
    due: datetime | None = None


def backoff(attempts: int, chance: Chance) -> timedelta:
    """Exponential, with jitter so that what failed together does not come back together."""
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** max(0, attempts - 1))
    return timedelta(seconds=wait * (0.5 + chance()))


def judge(
    claimed: ClaimedCall, result: CallResult, target: TargetSpec, now: datetime, chance: Chance
) -> Verdict:
    """How the command goes on after `result`."""
    match result.kind:
        case ResultKind.ACCEPTED:
            return _accepted(claimed, result, target)
        case ResultKind.UNKNOWN:
            wait = timedelta(seconds=target.limits.longest_processing_seconds)
            return _moved(claimed, result, CommandState.UNKNOWN, "no answer; to be asked about", now + wait)
        case ResultKind.STOP:
            return _moved(claimed, result, CommandState.WAITING, "the target is stopped", attempts=0)
        case ResultKind.RETRY if result.status in _TARGET_WIDE:
            moment = result.retry_after or now + backoff(claimed.attempts, chance)
            reason = f"again later: {result.code or 'not reached'}"
            return _moved(claimed, result, CommandState.WAITING, reason, moment, claimed.attempts - 1)
        case ResultKind.PARK:
            return _parked(claimed, result, target)
        case _ if claimed.attempts >= MOST_ATTEMPTS:
            return _parked(claimed, result, target)
        case ResultKind.CONFLICT:
            return _moved(claimed, result, CommandState.WAITING, "conflict: to be read back", ask=True)
        case _:
            moment = result.retry_after or now + backoff(claimed.attempts, chance)
            return _moved(claimed, result, CommandState.WAITING, f"again later: {result.code}", moment)


def _accepted(claimed: ClaimedCall, result: CallResult, target: TargetSpec) -> Verdict:
    state = CommandState.WAITING if claimed.more else CommandState.APPLIED
    profile = target.objects[claimed.call.key.object]
    # Without the new version nothing more could be written safely, so it is read first.
    blind = profile.protection.token and result.token is None and claimed.call.action != "delete"
    row = _row(claimed, result, state, "")
    row |= {"happened": True, "ask": blind, "attempts": 0 if claimed.more else None}
    return Verdict(row)


def _moved(
    claimed: ClaimedCall,
    result: CallResult,
    state: CommandState,
    reason: str,
    moment: datetime | None = None,
    attempts: int | None = None,
    *,
    ask: bool = False,
) -> Verdict:
    row = _row(claimed, result, state, reason)
    row |= {"not_before": moment, "attempts": attempts, "ask": ask}
    return Verdict(row, due=moment)


def _parked(claimed: ClaimedCall, result: CallResult, target: TargetSpec) -> Verdict:
    call = claimed.call
    code = result.code or "refused"
    exception = {
        "command_id": call.command_id,
        "object": call.key.object,
        "entity_id": call.key.entity_id,
        "code": code,
        "message": result.message or f"{target.name} refused it with status {result.status}",
        "remedy": target.remedies.get(code, "correct the cause, then replay or skip the command"),
        "diagnostics": {
            "call_id": call.call_id,
            "action": call.action,
            "external_key": call.external_key,
            "fields": sorted(call.body),
            "lines": len(call.children),
            "digest": call.digest,
            "status": result.status,
            "attempts": claimed.attempts,
        },
    }
    return Verdict(_row(claimed, result, CommandState.PARKED, code), exception)


def _row(claimed: ClaimedCall, result: CallResult, state: CommandState, reason: str) -> dict[str, Any]:
    return {
        "call_id": claimed.call.call_id,
        "command_id": claimed.call.command_id,
        "kind": result.kind,
        "native_id": result.native_id,
        "token": result.token,
        "status": result.status,
        "code": result.code,
        "message": result.message[:2000],
        "happened": False,
        "ask": False,
        "to": state,
        "reason": reason,
        "not_before": None,
        "attempts": None,
    }
