"""Refusals that every set has: references to nothing, and deletes of what others name."""

from __future__ import annotations

from sandbox.erp.errors import Refused, infolog
from sandbox.erp.schema import SetSchema


def unrelated(schema: SetSchema, name: str, value: str, related: SetSchema) -> Refused:
    """A field names a record that is not there."""
    return infolog(
        schema.entity,
        f"The value '{value}' in field '{name}' is not found in the related table '{related.name}'.",
    )


def dependent(schema: SetSchema, others: SetSchema) -> Refused:
    """A record that others name cannot go."""
    return infolog(
        schema.entity,
        f"The record in {schema.name} cannot be deleted while dependent {others.name} records exist.",
        "Delete",
    )
