"""The business language: entities, lifecycle, ownership, value maps. Pure functions, stdlib and pydantic only."""
