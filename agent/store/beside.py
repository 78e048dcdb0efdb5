"""Statements beside computing: steps run in order in a thread of their own while the caller prepares the next ones.

A driver waits for its server without holding the interpreter, so the two work at the same time on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self


class Beside:
    """`with beside:` … `beside.run(step)`: at the end of the block all steps have run, or the first failure is raised.

    A connection that the steps use is theirs alone until then. What follows a failed step is not run.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._steps: list[Future[None]] = []
        self._failed = False

    def run(self, step: Callable[[], object]) -> None:
        """Run `step` after those given before."""
        self._steps.append(self._thread.submit(self._unless_failed, step))

    def _unless_failed(self, step: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            step()
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> Self:
        self._failed = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._failed = True
        steps, self._steps = self._steps, []
        # Whatever happens, nobody else touches the connection while a step may be using it.
        wait(steps)
        if error is None:
            for step in steps:
                step.result()
