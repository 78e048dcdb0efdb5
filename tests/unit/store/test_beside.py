"""Steps beside computing run in order, all of them before the block ends, and none after one that failed."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from agent.store.beside import Beside


def test_steps_run_in_order_and_have_run_when_the_block_ends() -> None:
    done: list[int] = []
    beside = Beside()
    for _ in range(2):
        with beside:
            for n in range(20):
                beside.run(partial(done.append, n))
    assert done == [*range(20), *range(20)]


def test_the_caller_goes_on_while_a_step_runs() -> None:
    let_go = threading.Event()
    with Beside() as beside:
        beside.run(lambda: let_go.wait(30))
        let_go.set()  # would never be reached if the step held the caller up


def test_the_first_failure_is_raised_and_nothing_follows_it() -> None:
    done: list[str] = []
    beside = Beside()

    def fail() -> None:
        raise ValueError("the second")

    def work() -> None:
        with beside:
            beside.run(lambda: done.append("first"))
            beside.run(fail)
            beside.run(lambda: done.append("third"))

    with pytest.raises(ValueError, match="the second"):
        work()
    assert done == ["first"]
    with beside:
        beside.run(lambda: done.append("again"))
    assert done == ["first", "again"]


def test_a_failure_of_the_caller_waits_for_the_step_in_hand_and_drops_the_rest() -> None:
    running, let_go = threading.Event(), threading.Event()
    done: list[str] = []

    def slow() -> None:
        running.set()
        let_go.wait(30)
        done.append("slow")

    def work() -> None:
        with Beside() as beside:
            beside.run(slow)
            beside.run(lambda: done.append("never"))
            assert running.wait(30)
            threading.Timer(0.05, let_go.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert done == ["slow"]


def test_what_is_asked_for_comes_in_its_turn() -> None:
    beside, seen = Beside(), []
    with beside:
        beside.run(lambda: seen.append("first"))
        answer = beside.ask(lambda: (seen.append("asked"), 7)[1])
        beside.run(lambda: seen.append("last"))
        assert answer() == 7
    assert seen == ["first", "asked", "last"]


def test_an_answer_raises_what_failed_before_it_and_does_not_wait_for_ever() -> None:
    beside, seen = Beside(), []

    def fail() -> None:
        raise ZeroDivisionError

    def work() -> None:
        with beside:
            beside.run(fail)
            beside.ask(lambda: seen.append("never"))()
            seen.append("nor this")

    with pytest.raises(ZeroDivisionError):
        work()
    assert seen == []


def test_an_answer_raises_its_own_failure() -> None:
    beside = Beside()

    def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), beside:
        beside.ask(fail)()


def test_a_thread_that_cannot_be_started_is_an_error_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def work() -> None:
        with Beside() as beside:
            monkeypatch.setattr(threading.Thread, "start", refuse)
            beside.ask(lambda: 1)()

    with pytest.raises(RuntimeError):
        work()
