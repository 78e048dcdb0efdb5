"""Ctrl-C and SIGTERM end the demo, but never in the middle of starting or ending a process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While entered, these signals raise KeyboardInterrupt: at once, or at the end of the block that holds them."""

    def __init__(self) -> None:
        self._holding = 0
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._asks)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @property
    def asked(self) -> bool:
        """Has the end been asked for?"""
        return self._asked

    @contextmanager
    def held(self, *, swallow: bool = False) -> Iterator[None]:
        """What happens in here happens whole. swallow: clearing up, so nothing is raised afterwards either."""
        self._holding += 1
        try:
            yield
        except Exception as error:
            # A terminal's Ctrl-C reaches what is being started too, which then fails: that is no failure.
            if self._asked and not swallow:
                raise KeyboardInterrupt from error
            raise
        finally:
            self._holding -= 1
        if self._asked and not self._holding and not swallow:
            raise KeyboardInterrupt

    def _asks(self, number: int, frame: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if not self._holding and not again:
            raise KeyboardInterrupt
