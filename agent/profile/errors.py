"""A wanted value that a target cannot hold: an exception for a person, never a cut value."""

from __future__ import annotations

from agent.errors import TargetError


class NotFitting(TargetError):
    """One field's value does not fit the target's field.

    code: stable name of the reason (too_long, too_many_decimals, mapping_missing, wrong_type, key_missing,
    duplicate_line), so that exceptions can be listed by it. The value itself is kept out of the text when
    it is long.
    """

    def __init__(self, code: str, field: str, what: str, remedy: str) -> None:
        super().__init__(what, where=f"field {field}", remedy=remedy)
        self.code = code
        self.field = field
