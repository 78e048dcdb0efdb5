"""Entity ids are deterministic, and key changes are followed to where they end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.identity.ids import entity_id, key_text, net_moves

_KEYS = st.sampled_from("ABCDE")


def test_the_same_key_has_the_same_id_in_every_store() -> None:
    assert str(entity_id("customer", "finance", "C1")) == str(entity_id("customer", "finance", "C1"))
    assert entity_id("customer", "finance", "C1") != entity_id("customer", "psa", "C1")
    assert entity_id("customer", "finance", "C1", 2) != entity_id("customer", "finance", "C1")


@given(st.lists(st.text(max_size=5), min_size=1, max_size=3), st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_key_texts_are_equal_only_for_keys_that_are_equal_but_for_padding(a: list[str], b: list[str]) -> None:
    assert (key_text(a) == key_text(b)) == ([x.rstrip() for x in a] == [x.rstrip() for x in b])


def test_a_swap_through_a_third_key_ends_as_a_swap() -> None:
    moves = net_moves([(("A",), ("T",)), (("B",), ("A",)), (("T",), ("B",))])
    assert sorted(moves) == [(("A",), ("B",)), (("B",), ("A",))]


def test_there_and_back_again_is_no_move() -> None:
    assert net_moves([(("A",), ("B",)), (("B",), ("A",))]) == []


@given(st.lists(st.tuples(_KEYS, _KEYS), max_size=12))
def test_net_moves_agree_with_following_each_row(changes: list[tuple[str, str]]) -> None:
    where = {key: key for key in "ABCDE"}  # row, named by its first key → its key now
    done = []
    for old, new in changes:
        bearer = next((row for row, now in where.items() if now == old), None)
        if bearer is None or old == new or new in where.values():
            continue  # no such row, or the key is taken: a database would refuse it
        where[bearer] = new
        done.append(((old,), (new,)))
    assert sorted(net_moves(done)) == sorted(((r,), (n,)) for r, n in where.items() if r != n)
