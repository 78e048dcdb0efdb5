"""Cycles of references and how they are broken."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from agent.outbox.references import strongly_connected
from agent.outbox.waiting import to_defer


def node(n: int) -> tuple[str, UUID]:
    """A record."""
    return "customer", UUID(int=n)


def blocked(edges: dict[int, list[int]]) -> dict[tuple[str, UUID], tuple[int, list[dict[str, Any]]]]:
    """Commands numbered like their records."""
    return {
        node(n): (
            n,
            [{"object": "customer", "entity_id": str(UUID(int=m)), "deferrable": True} for m in targets],
        )
        for n, targets in edges.items()
    }


def test_one_of_each_cycle_is_deferred_and_chains_are_left_alone() -> None:
    assert to_defer(blocked({1: [2], 2: [1], 3: [1], 4: [4], 5: [6], 6: [7], 7: [5], 8: [9]})) == [1, 4, 5]


def test_a_cycle_through_a_reference_that_is_needed_is_not_deferred_there() -> None:
    edges = blocked({1: [2], 2: [1]})
    edges[node(1)][1][0]["deferrable"] = False
    assert to_defer(edges) == [2]


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=3), max_size=8))
def test_groups_are_exactly_the_nodes_that_reach_each_other(edges: dict[int, list[int]]) -> None:
    def reach(start: int) -> set[int]:
        found: set[int] = set()
        todo = list(edges.get(start, ()))
        while todo:
            n = todo.pop()
            if n not in found and n in edges:
                found.add(n)
                todo += edges[n]
        return found

    expected = {frozenset(m for m in reach(n) if n in reach(m)) for n in edges if n in reach(n)}
    groups = strongly_connected({node(n): [node(m) for m in targets] for n, targets in edges.items()})
    assert {frozenset(entity.int for _, entity in group) for group in groups} == expected
