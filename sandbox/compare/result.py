"""What a comparison found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HOURS = "h"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: an entity in a company and a currency ("" where it has none, HOURS where hours are counted)."""

    entity: str
    company: str
    currency: str
    source_count: int
    source_amount: Decimal
    target_count: int
    target_amount: Decimal

    @property
    def difference(self) -> Decimal:
        """Money that the target has too much (positive) or too little."""
        return self.target_amount - self.source_amount

    @property
    def equal(self) -> bool:
        """Counts and money agree."""
        return self.source_count == self.target_count and self.difference == 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table, and every difference in words (of records too)."""

    rows: tuple[Row, ...]
    differences: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Nothing differs."""
        return not self.differences

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(self.rows + other.rows, self.differences + other.differences)


def in_words(row: Row) -> list[str]:
    """What a line of the table says that is not equal."""
    what = " ".join(part for part in (row.entity, row.company, row.currency) if part)
    found = []
    if row.source_count != row.target_count:
        found.append(f"{what}: {row.target_count} at the ERP, {row.source_count} in the source")
    if row.difference:
        found.append(f"{what}: {row.target_amount:,.2f} at the ERP, {row.source_amount:,.2f} in the source")
    return found


_HEADS = ("entity", "company", "cur", "source", "amount", "target", "amount", "difference")


def render(comparison: Comparison, most: int = 40) -> str:
    """The table as text, then at most `most` differences and how many more there are."""
    lines = [_HEADS, *(_cells(row) for row in comparison.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADS))]
    text = ["  ".join(_aligned(cell, width, i) for i, (cell, width) in enumerate(zip(line, widths, strict=True)))
            for line in lines]  # fmt: skip
    shown = comparison.differences[:most]
    text += [f"- {difference}" for difference in shown]
    if len(comparison.differences) > most:
        text.append(f"… and {len(comparison.differences) - most} more differences")
    return "\n".join(text)


def _cells(row: Row) -> tuple[str, ...]:
    money = bool(row.currency) and row.entity != "customer_account"
    source, target = (f"{amount:,.2f}" if money else "" for amount in (row.source_amount, row.target_amount))
    counts = row.target_count - row.source_count
    difference = "" if row.equal else f"{counts:+d}" + (f" / {row.difference:+,.2f}" if money else "")
    return (
        row.entity, row.company, row.currency, str(row.source_count), source, str(row.target_count), target, difference,
    )  # fmt: skip


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 3 else cell.rjust(width)
