"""What ships with the product is right."""

from __future__ import annotations

import pytest

from canonical.entities import ENTITIES
from cdc_config.loader import EXAMPLE, load, load_profile, shipped_profiles


def test_the_example_loads_and_names_shipped_parts() -> None:
    loaded = load(EXAMPLE)
    assert {mapping.entity for mapping in loaded.config.mappings.values()} == set(ENTITIES)
    assert loaded.where("mappings", "finance.invoice", "sql").endswith("finance/mappings.yaml:27")


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_shipped_profile_loads_and_speaks_of_canonical_fields(name: str) -> None:
    for object_name, profile in load_profile(name).objects.items():
        assert set(profile.fields) <= set(ENTITIES[object_name].model_fields)
