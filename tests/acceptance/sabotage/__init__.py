"""The agent with one of its guards taken away, from outside: what the kill matrix must be seen to notice."""

from __future__ import annotations

from typing import Any


def instead(owner: Any, name: str, by: Any) -> None:
    """Replace what a class or module calls `name`; it must be there, or the sabotage would do nothing."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, by)
