"""What one mapping's decisions need to know, compiled once from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from canonical.base import CanonicalEntity
from canonical.ownership import Ownership
from canonical.valuemap import CodeMap
from cdc_config.profile import ObjectProfile


@dataclass(frozen=True)
class TargetPlan:
    """One target's part: its profile of the object, and how documents of the first snapshot go in."""

    target: str
    profile: ObjectProfile
    historical: str  # load | skip
    legal_entities: Mapping[str, str]


@dataclass(frozen=True)
class ReferencePlan:
    """A field that carries another entity's key. outputs: the view's outputs with that entity's source key, in key order
    (`ref_customer__1`, …); with list_field they are lists that run along with it (`ref_allocations__invoice__1`)."""

    field: str
    object: str
    outputs: tuple[str, ...]
    deferrable: bool
    list_field: str | None = None


@dataclass(frozen=True)
class EntityPlan:
    """One mapping's part.

    own_fields: outputs whose value comes from the mapping's own tables; a posted document is corrected only for these.
    """

    mapping: str
    source: str
    entity: type[CanonicalEntity]
    every_change: bool
    ownership: Ownership
    targets: tuple[TargetPlan, ...]
    value_map_uses: Mapping[str, str]
    value_maps: Mapping[str, CodeMap]
    references: tuple[ReferencePlan, ...]
    own_fields: frozenset[str]
