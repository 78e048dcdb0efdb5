"""What every canonical entity shares: strict, frozen, no unknown fields, trimmed texts, finite money."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)]
LongText = Annotated[str, StringConstraints(max_length=1_000_000)]
CurrencyCode = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Z]{3}$")]
Amount = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=24, decimal_places=8)]


class CanonicalEntity(BaseModel):
    """One canonical business object, as composed from what the mappings contribute.

    The class variables are the object's contract with the line: which state field carries its lifecycle, which steps
    matter, and which states are final enough to be frozen in a target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    object_name: ClassVar[str]
    legal_entity_field: ClassVar[str | None] = None  # None: a global master
    business_date_field: ClassVar[str | None] = None  # None: a master, judged by commit time
    state_field: ClassVar[str | None] = None
    steps: ClassVar[tuple[str, ...]] = ()  # states that must each reach the target (every_change)
    document: ClassVar[bool] = False  # header with lines; frozen once posted
    events: ClassVar[dict[str, str]] = {}  # state reached → business event name
