"""Lifecycles: forward only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.entities import ENTITIES
from canonical.lifecycle import INITIAL, TRANSITIONS, check_transition, reachable

STATES = st.sampled_from(["draft", "posted", "void"])


@pytest.mark.parametrize(("before", "after"), [("draft", "posted"), ("posted", "void"), ("draft", "void")])
def test_an_invoice_moves_forward(before: str, after: str) -> None:
    assert check_transition("invoice", before, after) is None


@pytest.mark.parametrize(("before", "after"), [("posted", "draft"), ("void", "posted"), ("void", "draft")])
def test_an_invoice_never_moves_back(before: str, after: str) -> None:
    assert str(check_transition("invoice", before, after)) == f"invoice cannot go from {before} to {after}"


@given(STATES)
def test_a_state_may_stay_and_may_be_the_first_one_seen(state: str) -> None:
    assert check_transition("invoice", state, state) is None
    assert check_transition("invoice", None, state) is None


def test_an_unknown_state_is_no_start() -> None:
    assert check_transition("invoice", None, "lost") is not None


def test_an_entity_without_a_lifecycle_is_never_refused() -> None:
    assert check_transition("customer", "x", "y") is None


@given(STATES, STATES)
def test_no_two_states_reach_each_other(a: str, b: str) -> None:
    assert not (b in reachable("invoice", a) and a in reachable("invoice", b))


def test_every_lifecycle_belongs_to_an_entity_and_knows_its_steps() -> None:
    for name, table in TRANSITIONS.items():
        assert set(ENTITIES[name].steps) <= set(table)
        assert INITIAL[name] <= set(table)
