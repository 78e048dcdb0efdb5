"""What derive asks of the stages beside it; agent.wiring joins them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from agent.derive.affected import Staged
from agent.model.entities import EntityChange, Part, Transaction


class MirrorStage(Protocol):
    """The mirror (agent.mirror)."""

    incarnation: int

    def stage(self, first: int, last: int) -> Sequence[Staged]: ...
    def merge(self, first: int, last: int, staged: Sequence[Any]) -> object: ...
    def merge_snapshot(self, first: int, last: int, pos: int) -> object: ...
    def isolate(self, first: int, last: int) -> int: ...
    def forget(self) -> None: ...
    def key_changes(self, part: Any, first: int, last: int) -> list[tuple[list[str], list[str], int]]: ...

    def reload(self) -> None:
        """Read anew how the mirror is shaped."""


class DecideStage(Protocol):
    """Decide and write one mapping's changes, keeping the new state of those that are accepted; returns how many.

    Each part is made when it is called for, on the connection and perhaps beside the deciding of the one before.
    """

    def decide(
        self, mapping: str, parts: Sequence[Callable[[], Part]], transactions: Mapping[int, Transaction], cause: str,
        keep: Callable[[Sequence[EntityChange]], object], *, counting: bool,
    ) -> int: ...  # fmt: skip
    def count_affected(self, n: int) -> None: ...
    def count_changed(self, n: int) -> None: ...
    def write_counts(self) -> None: ...
    def forget_counts(self) -> None: ...
    def settle_causes(self) -> None: ...
    def close_exceptions(self, mapping: str) -> None: ...
