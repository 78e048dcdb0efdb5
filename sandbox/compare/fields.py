"""Two records field by field, normalised, and their differences in words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal


def normal(value: object) -> object:
    """A value as both sides would print it: texts stripped, numbers to six decimals without trailing zeros."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else value
        return round(number, 6).normalize() if number.is_finite() else str(number)
    return value


def money(cents: int) -> Decimal:
    """The record keeps hundredths."""
    return Decimal(cents) / 100


def differing(what: str, source: Mapping[str, object], target: Mapping[str, object]) -> list[str]:
    """One sentence per field of `source` that differs in `target`."""
    found = []
    for name, value in source.items():
        ours, theirs = normal(value), normal(target[name])
        if ours != theirs:
            found.append(f"{what}: {name} is {_short(theirs)} at the ERP, {_short(ours)} in the source")
    return found


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"
