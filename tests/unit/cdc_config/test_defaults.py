"""What ships with the product is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonical.entities import ENTITIES
from cdc_config.loader import EXAMPLE, load, load_config, load_profile, shipped_profiles


def test_the_example_loads_and_names_shipped_parts() -> None:
    loaded = load(EXAMPLE)
    assert {mapping.entity for mapping in loaded.config.mappings.values()} < set(ENTITIES)
    assert loaded.where("mappings", "finance.invoice", "sql").endswith("finance/mappings.yaml:27")


def test_what_ships_for_finance_and_psa_fits_together_and_maps_every_entity(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("use: [finance]", "use: [finance, psa]")
    psa = (
        "  psa:\n    capture: kafka\n    database: mariadb\n    dsn: {env: PSA_DSN}\n"
        "    kafka: {bootstrap_servers: 'localhost:9092'}\n"
    )
    path = tmp_path / "coexist.yaml"
    path.write_text(text.replace("\ntargets:", f"{psa}\ntargets:"))
    config = load_config(path)
    assert {mapping.entity for mapping in config.mappings.values()} == set(ENTITIES)
    assert {rule.object for rule in config.ownership.rules} == set(ENTITIES)


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_shipped_profile_loads_and_speaks_of_canonical_fields(name: str) -> None:
    for object_name, profile in load_profile(name).objects.items():
        assert set(profile.fields) <= set(ENTITIES[object_name].model_fields)
