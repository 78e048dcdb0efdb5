"""The lifecycle of a command, as one table: nothing else in the product decides what state follows.

SQL statements take their from-states and to-states from here as parameters, so that a transition that is
not in the table cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from agent.model.commands import CommandState as S


class Event(StrEnum):
    """What can happen to a command."""

    CLAIM = "claim"  # a worker made its next call durable
    ACCEPTED = "accepted"  # its last call was done
    MORE = "more"  # a call was done, another one follows
    SETTLED = "settled"  # nothing left to send after earlier calls
    RETRY = "retry"  # not done; again later
    CONFLICT = "conflict"  # not done; the record must be read back first
    RELEASED = "released"  # its claim ended before anything was sent
    LOST = "lost"  # sent, no answer
    FOUND = "found"  # asked: it was done
    FOUND_MORE = "found_more"  # asked: it was done, another call follows
    ABSENT = "absent"  # asked: it was not done
    PARK = "park"  # needs a person
    SUPERSEDE = "supersede"  # a newer wanted state took its place
    SUPPRESS = "suppress"  # a rule, or no difference: nothing was ever sent for it
    BRAKE = "brake"  # held with everything else of its cause
    RELEASE = "release"  # a person let the braked ones through
    SKIP = "skip"  # a person decided against it
    REPLAY = "replay"  # a person wants it tried again


# Rule 1: how a command moves. An answer that comes late (its sender was frozen, its claim taken over) still
# counts while the command stands where that call left it, hence ACCEPTED and MORE from UNKNOWN and WAITING.
TRANSITIONS: Final[Mapping[tuple[S, Event], S]] = {
    (S.WAITING, Event.CLAIM): S.IN_FLIGHT,
    (S.WAITING, Event.SETTLED): S.APPLIED,
    (S.WAITING, Event.SUPPRESS): S.SUPPRESSED,
    (S.WAITING, Event.SUPERSEDE): S.SUPERSEDED,
    (S.WAITING, Event.PARK): S.PARKED,
    (S.WAITING, Event.BRAKE): S.BRAKED,
    (S.WAITING, Event.SKIP): S.SKIPPED,
    (S.WAITING, Event.ACCEPTED): S.APPLIED,
    (S.WAITING, Event.MORE): S.WAITING,
    (S.IN_FLIGHT, Event.ACCEPTED): S.APPLIED,
    (S.IN_FLIGHT, Event.MORE): S.WAITING,
    (S.IN_FLIGHT, Event.RETRY): S.WAITING,
    (S.IN_FLIGHT, Event.CONFLICT): S.WAITING,
    (S.IN_FLIGHT, Event.RELEASED): S.WAITING,
    (S.IN_FLIGHT, Event.LOST): S.UNKNOWN,
    (S.IN_FLIGHT, Event.PARK): S.PARKED,
    (S.UNKNOWN, Event.ACCEPTED): S.APPLIED,
    (S.UNKNOWN, Event.MORE): S.WAITING,
    (S.UNKNOWN, Event.FOUND): S.APPLIED,
    (S.UNKNOWN, Event.FOUND_MORE): S.WAITING,
    (S.UNKNOWN, Event.ABSENT): S.WAITING,
    (S.UNKNOWN, Event.PARK): S.PARKED,
    (S.PARKED, Event.REPLAY): S.WAITING,
    (S.PARKED, Event.SKIP): S.SKIPPED,
    (S.PARKED, Event.SUPERSEDE): S.SUPERSEDED,
    (S.BRAKED, Event.RELEASE): S.WAITING,
    (S.BRAKED, Event.SKIP): S.SKIPPED,
    (S.BRAKED, Event.SUPERSEDE): S.SUPERSEDED,
}

# Rule 2: the ends. Nothing leaves them, and the record's next command may go.
ENDS: Final = frozenset({S.APPLIED, S.SUPERSEDED, S.SUPPRESSED, S.SKIPPED})

# Rule 3: everything else is open and keeps its place at the head of its record's line.
OPEN: Final = frozenset(S) - ENDS


class NotAllowed(Exception):
    """A transition that is not in the table: a defect in the code that asked for it."""


def after(state: S, event: Event) -> S:
    """The state that follows; raises NotAllowed."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise NotAllowed(f"a {state} command cannot be: {event}") from None


def from_states(event: Event) -> list[str]:
    """The states in which `event` may happen, for the WHERE of its statement."""
    return [state.value for (state, happening) in TRANSITIONS if happening is event]


def mermaid() -> str:
    """The lifecycle as a mermaid state diagram, for the docs."""
    edges: dict[tuple[S, S], list[str]] = {}
    for (before, event), then in TRANSITIONS.items():
        edges.setdefault((before, then), []).append(event.value)
    lines = ["stateDiagram-v2", "    [*] --> waiting", "    [*] --> braked", "    [*] --> parked"]
    lines += [f"    {a.value} --> {b.value}: {', '.join(events)}" for (a, b), events in edges.items()]
    lines += [f"    {state.value} --> [*]" for state in S if state in ENDS]
    return "\n".join(lines) + "\n"
