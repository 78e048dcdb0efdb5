"""The text of a source key, the same wherever a key is named (pure)."""

from __future__ import annotations

from collections.abc import Iterable


def key_text(values: Iterable[object]) -> str:
    """The canonical text of a source key. Trailing blanks carry no meaning in padded keys and are dropped."""
    return "/".join(str(v).rstrip().replace("\\", "\\\\").replace("/", "\\/") for v in values)
