"""How the interpreter is set for the agent's processes (docs/performance.md)."""

from __future__ import annotations

import gc
import sys


def tune() -> None:
    """For threads that mostly wait for PostgreSQL while one of them computes.

    Rows come by ten thousands and hold no cycles: to look for some after every 700 of them takes a third of the time that
    deriving them does. And an answer that has come waits for whoever computes, ten times a statement: 5 ms are too long.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.0005)
