"""How long to wait before the same again. Pure: the caller knows the attempt and throws the dice."""

from __future__ import annotations


def delay(attempt: int, dice: float, *, first: float = 0.25, longest: float = 60.0) -> float:
    """Seconds to wait after failure number `attempt` (from 1): doubling up to `longest`, spread by `dice` in
    [0, 1).

    At least half of the full step is kept, so that workers spread out and still wait.
    """
    step = min(longest, first * 2.0 ** min(max(attempt - 1, 0), 32))
    return step * (0.5 + dice / 2)
