"""The lifecycle of a command is one table, and everything follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model.commands import CommandState
from agent.outbox.lifecycle import ENDS, OPEN, TRANSITIONS, Event, NotAllowed, after, from_states, mermaid


def test_nothing_leaves_an_end() -> None:
    assert not [state for state, _ in TRANSITIONS if state in ENDS]


def test_every_open_state_can_be_left_and_every_state_but_the_open_ones_of_birth_is_reached() -> None:
    assert {state for state, _ in TRANSITIONS} == OPEN
    assert set(TRANSITIONS.values()) | {CommandState.BRAKED} == set(CommandState)


def test_what_is_not_in_the_table_is_a_defect() -> None:
    with pytest.raises(NotAllowed, match="a applied command cannot be: claim"):
        after(CommandState.APPLIED, Event.CLAIM)


def test_only_waiting_commands_are_claimed_and_an_unknown_one_is_never_superseded() -> None:
    assert from_states(Event.CLAIM) == ["waiting"]
    assert "unknown" not in from_states(Event.SUPERSEDE) + from_states(Event.SKIP) + from_states(Event.RETRY)


def test_the_diagram_in_the_docs_is_the_table() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "apply.md"
    assert mermaid() in page.read_text()
