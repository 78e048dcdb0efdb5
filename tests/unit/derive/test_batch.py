"""Batches hold whole transactions, and are cut so that no step of a document is folded away."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agent.derive.batch import Touch, Txn, cut_at_shape_change, cut_at_step, step_touches, take

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _txns(*rows: int, snapshot: int | None = None) -> list[Txn]:
    found, seq = [], 1
    for n, count in enumerate(rows, 1):
        found.append(Txn(n, n * 10, n, _NOW, seq, seq + count - 1, n == snapshot))
        seq += count
    return found


def test_a_batch_ends_before_the_limit_is_passed_but_holds_at_least_one() -> None:
    assert [t.txn_no for t in take(_txns(3, 3, 3), 7)] == [1, 2]
    assert [t.txn_no for t in take(_txns(100, 1), 7)] == [1]
    assert take([], 7) == []


def test_a_snapshot_is_derived_alone() -> None:
    assert [t.txn_no for t in take(_txns(1, 5, 1, snapshot=2), 100)] == [1]
    assert [t.txn_no for t in take(_txns(5, 1, snapshot=1), 100)] == [1]


def test_a_table_that_changes_shape_cuts_the_batch() -> None:
    seen = [(1, "t", 7), (2, "t", 7), (3, "t", 8)]
    assert [t.txn_no for t in cut_at_shape_change(_txns(1, 1, 1), seen)] == [1, 2]


def test_a_post_after_an_edit_of_the_same_invoice_starts_a_batch_of_its_own() -> None:
    touches = [Touch(1, "I1", False), Touch(2, "I2", True), Touch(3, "I1", True)]
    assert [t.txn_no for t in cut_at_step(_txns(1, 1, 1), touches)] == [1, 2]


def test_an_edit_after_a_post_is_not_folded_into_the_post() -> None:
    touches = [Touch(1, "I1", True), Touch(2, "I2", False), Touch(3, "I1", False)]
    assert [t.txn_no for t in cut_at_step(_txns(1, 1, 1), touches)] == [1, 2]


def test_a_row_that_cannot_be_told_counts_as_any_document() -> None:
    assert [t.txn_no for t in cut_at_step(_txns(1, 1), [Touch(1, None, False), Touch(2, "I1", True)])] == [1]
    assert [t.txn_no for t in cut_at_step(_txns(1, 1), [Touch(1, "I1", True), Touch(2, None, False)])] == [1]


def test_a_new_document_has_no_step_to_lose() -> None:
    rows = [(1, "I1", True, "D"), (1, "I1", False, None), (2, "I2", True, "P")]
    assert not any(t.step_changed for t in step_touches(rows, {}))
    assert [t.step_changed for t in step_touches([(1, "I1", True, "P")], {"I1": "D"})] == [True]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12))
def test_within_a_batch_a_stepped_document_is_touched_by_one_transaction_only(events: list[tuple[str, bool]]) -> None:
    touches = [Touch(n, key, stepped) for n, (key, stepped) in enumerate(events, 1)]
    kept = {t.txn_no for t in cut_at_step(_txns(*[1] * len(events)), touches)}
    inside = [t for t in touches if t.txn_no in kept]
    for key in {t.key for t in inside if t.step_changed}:
        assert len([t for t in inside if t.key == key]) == 1
    assert not events or kept
