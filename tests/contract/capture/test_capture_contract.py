"""What every capture owes to intake, proven over each implementation of the port."""

from __future__ import annotations

import threading

import pytest

from agent.model.changes import ResumePoint
from agent.model.ids import CommitPos
from tests.contract.capture.worlds import BULK, World
from tests.support.capturing import Seen, snapshot, stream_until


def told(seen: Seen) -> list[list[object]]:
    """What came, by transaction; rows that were durable before count (relation 0) and are not told."""
    return [
        [(seen.relations[c.ref].table, c.op, c.old, c.new) for c in seen.transactions[p] if c.ref]
        for p in seen.complete
    ]


def whole_stream(world: World) -> tuple[CommitPos, Seen]:
    """In small batches, so that the store would have stood after every transaction."""
    capture = world.capture(max_slice_rows=1)
    _, position = snapshot(capture)
    world.live()
    seen = stream_until(
        capture, ResumePoint(position), lambda s: len(s.complete) == len(world.transactions), ack=False
    )
    return position, seen


def test_the_snapshot_is_one_transaction_of_everything_there_was(world: World) -> None:
    capture = world.capture()
    capture.check(ResumePoint(None))
    seen, _ = snapshot(capture)
    assert told(seen) == [world.snapshot]
    assert seen.captured == len(world.snapshot)


def test_a_snapshot_in_slices_is_complete_on_the_last_only(world: World) -> None:
    pieces = [piece for batch in world.capture(max_slice_rows=2).snapshot() for piece in batch.slices]
    assert [p.complete for p in pieces] == [False] * (len(pieces) - 1) + [True]
    assert [p.first_ordinal for p in pieces] == [
        sum(len(q.changes) for q in pieces[:i]) for i in range(len(pieces))
    ]


def test_a_snapshot_can_start_anew(world: World) -> None:
    abandoned = world.capture(max_slice_rows=1)
    next(iter(abandoned.snapshot()))
    abandoned.close()
    seen, _ = snapshot(world.capture())
    assert told(seen) == [world.snapshot]


def test_the_stream_tells_every_transaction_whole_and_in_order(world: World) -> None:
    position, seen = whole_stream(world)
    assert told(seen) == world.transactions
    assert seen.captured == sum(map(len, world.transactions))
    assert seen.complete == sorted(set(seen.complete))
    assert seen.complete[0] > position


def test_every_row_is_as_wide_as_its_relation_and_relations_are_as_the_catalogue_says(world: World) -> None:
    _, seen = whole_stream(world)
    for change in seen.rows():
        for image in (change.old, change.new):
            assert image is None or len(image) == len(seen.relations[change.ref].columns)
    assert {r.ref: r for r in world.capture().relations()} == seen.relations


def test_from_every_position_exactly_the_rest_comes(world: World) -> None:
    position, whole = whole_stream(world)
    for done, stored in enumerate([position, *whole.stands[:-1]]):
        left = len(world.transactions) - done
        rest = stream_until(
            world.capture(), ResumePoint(stored), lambda s, n=left: len(s.complete) == n, ack=False
        )
        assert told(rest) == world.transactions[done:]
        assert rest.complete == whole.complete[done:]


@pytest.mark.parametrize("durable", [1, 8, BULK - 1, BULK])
def test_a_transaction_that_is_half_in_the_store_continues_at_its_next_row(
    world: World, durable: int
) -> None:
    _, whole = whole_stream(world)
    resume = ResumePoint(whole.stands[-2], CommitPos(whole.complete[-1]), durable)
    rest = stream_until(world.capture(max_slice_rows=8), resume, lambda s: s.complete, ack=False)
    assert told(rest)[0] == world.transactions[-1][durable:]
    assert rest.captured == BULK - durable


def test_batches_are_bounded_and_count_what_they_hold(world: World) -> None:
    capture = world.capture(max_slice_rows=7)
    _, position = snapshot(capture)
    world.live()
    rows = 0
    for batch in capture.stream(ResumePoint(position)):
        held = sum(len(s.changes) for s in batch.slices)
        assert batch.captured == held <= 7
        rows += held
        if rows == sum(map(len, world.transactions)):
            break
    capture.close()


def test_an_idle_position_can_be_stored_and_resumed_from(world: World) -> None:
    capture = world.capture()
    _, position = snapshot(capture)
    idle = stream_until(capture, ResumePoint(position), lambda s: s.batches == 2)
    assert (idle.captured, idle.complete) == (0, [])
    assert idle.end >= position
    world.live()
    rest = stream_until(
        world.capture(),
        ResumePoint(CommitPos(idle.end)),
        lambda s: len(s.complete) == len(world.transactions),
    )
    assert told(rest) == world.transactions


def test_interrupt_ends_a_waiting_stream_from_another_thread(world: World) -> None:
    capture = world.capture(idle_seconds=600)
    _, position = snapshot(capture)
    ended = threading.Event()

    def consume() -> None:
        assert list(capture.stream(ResumePoint(position))) == []
        ended.set()

    thread = threading.Thread(target=consume)
    thread.start()
    capture.interrupt()
    assert ended.wait(30)
    thread.join()
