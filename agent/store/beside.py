"""Statements beside computing: steps run in order in a thread of their own while the caller prepares the next ones.

A driver waits for its server without holding the interpreter, so the two work at the same time on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Self, TypeVar
from weakref import finalize

Step = Callable[[], object]
T = TypeVar("T")


class _Block:
    """The steps of one `with` block: what failed first, and whether all have been looked at."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.dropped = False
        self.ended = Event()

    def run(self, step: Step) -> None:
        if self.failure is not None or self.dropped:
            return
        try:
            step()
        except BaseException as error:
            self.failure = error


_Queue = SimpleQueue[tuple[_Block, Step] | None]


class Beside:
    """`with beside:` … `beside.run(step)`: at the end of the block all steps have run, or the first failure is raised.

    A connection that the steps use is theirs alone until then. What follows a failed step is not run.
    """

    def __init__(self) -> None:
        self._queue: _Queue = SimpleQueue()
        self._thread: Thread | None = None
        self._block = _Block()

    def run(self, step: Step) -> None:
        """Run `step` after those given before."""
        if self._thread is None or not self._thread.is_alive():
            # A daemon: a step that hangs in the store does not keep the process from ending.
            thread = Thread(target=_work, args=(self._queue,), name="beside", daemon=True)
            thread.start()
            self._thread = thread
            finalize(self, self._queue.put, None)
        self._queue.put((self._block, step))

    def ask(self, step: Callable[[], T]) -> Callable[[], T]:
        """Run `step` after those given before; what is returned waits for it, and returns or raises what it did."""
        found: list[T] = []
        block, done = self._block, Event()
        self.run(lambda: found.append(step()))
        self._queue.put((_Block(), done.set))  # a block of its own: it is run though a step before failed

        def answer() -> T:
            done.wait()
            if block.failure is not None:
                raise block.failure
            return found[0]

        return answer

    def __enter__(self) -> Self:
        self._block = _Block()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block = self._block
        block.dropped = error is not None
        self._wait(block)
        if error is None and block.failure is not None:
            raise block.failure

    def _wait(self, block: _Block) -> None:
        """Whatever happens, nobody else touches the connection while a step may be using it."""
        if self._thread is None:
            return
        self._queue.put((_Block(), block.ended.set))
        try:
            block.ended.wait()
        except BaseException:
            block.dropped = True
            block.ended.wait()
            raise


def _work(queue: _Queue) -> None:
    while (given := queue.get()) is not None:
        block, step = given
        block.run(step)
        del given, block, step  # nothing of a batch is kept until the next one
