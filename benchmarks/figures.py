"""What a benchmark found: named figures with their goals, as a table for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value. bound: what it must keep (at least, or at most when `less`); goal: what we want.

    sides: for a ratio, both of its sides, each {name, value, unit}.
    """

    name: str
    value: float
    unit: str
    bound: float | None = None
    goal: float | None = None
    less: bool = False
    sides: Sequence[Figure] = field(default_factory=tuple)

    @property
    def verdict(self) -> str:
        """goal, kept, MISSED, or nothing where nothing is asked."""
        if self.bound is None:
            return ""
        if self.goal is not None and self._fits(self.goal):
            return "goal"
        return "kept" if self._fits(self.bound) else "MISSED"

    def _fits(self, limit: float) -> bool:
        return self.value <= limit if self.less else self.value >= limit

    def as_json(self) -> dict[str, Any]:
        """name, value, unit, and the sides of a ratio."""
        plain: dict[str, Any] = {"name": self.name, "value": round(self.value, 3), "unit": self.unit}
        if self.sides:
            plain["sides"] = [side.as_json() for side in self.sides]
        return plain


def write(path: Path, figures: Sequence[Figure]) -> None:
    """The results file: newer figures replace those of the same name, others stay."""
    known: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    fresh = {f.name: f.as_json() for f in figures}
    merged = [fresh.pop(old["name"], old) for old in known] + list(fresh.values())
    path.write_text(json.dumps(merged, indent=1) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """Columns: name, value, unit, what is asked, verdict."""
    rows = [("figure", "value", "unit", "asked", "")]
    for f in figures:
        sign = "≤" if f.less else "≥"
        asked = "" if f.bound is None else f"{sign} {f.bound:,g}" + (f", goal {f.goal:,g}" if f.goal else "")
        rows.append((f.name, _shown(f.value), f.unit, asked, f.verdict))
        rows += [(f"  {side.name}", _shown(side.value), side.unit, "", "") for side in f.sides]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    return "\n".join(
        f"{r[0]:<{widths[0]}}  {r[1]:>{widths[1]}}  {r[2]:<{widths[2]}}  {r[3]:<{widths[3]}}  {r[4]}".rstrip()
        for r in rows
    )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
