"""Lifecycles of canonical entities: one table of allowed transitions per entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Transitions = Mapping[str, frozenset[str]]

# Rule 1: a state leads to these, and only to these. Void stays void: its correction is a new document.
TRANSITIONS: dict[str, Transitions] = {
    "invoice": {
        "draft": frozenset({"posted", "void"}),
        "posted": frozenset({"void"}),
        "void": frozenset(),
    },
    # What was rejected is written again; what was approved stays so.
    "time_entry": {
        "draft": frozenset({"submitted", "approved", "rejected"}),
        "submitted": frozenset({"draft", "approved", "rejected"}),
        "rejected": frozenset({"draft", "submitted", "approved"}),
        "approved": frozenset(),
    },
}

# Rule 2: where an entity may be met for the first time (a baseline meets them in any state).
INITIAL: dict[str, frozenset[str]] = {
    "invoice": frozenset({"draft", "posted", "void"}),
    "time_entry": frozenset({"draft", "submitted", "approved", "rejected"}),
}


@dataclass(frozen=True, slots=True)
class Regression:
    """A change of state that the lifecycle does not allow."""

    object: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.object} cannot go from {self.before} to {self.after}"


def check_transition(object_name: str, before: str | None, after: str) -> Regression | None:
    """None when `after` may follow `before` (None: first seen); staying in a state is always allowed.

    A jump is allowed where a path exists (draft → void): the steps between were folded or not captured.
    """
    table = TRANSITIONS.get(object_name)
    if table is None or before == after:
        return None
    if before is None:
        return None if after in INITIAL[object_name] else Regression(object_name, "nothing", after)
    return None if after in reachable(object_name, before) else Regression(object_name, before, after)


def reachable(object_name: str, state: str) -> frozenset[str]:
    """Every state that can come after `state`, by one transition or several."""
    table = TRANSITIONS.get(object_name, {})
    found: set[str] = set()
    frontier = {state}
    while frontier:
        frontier = {after for before in frontier for after in table.get(before, frozenset())} - found
        found |= frontier
    return frozenset(found)
