"""The shipped PSA mappings on a working PSA database: kept by their compiled statements, they stay what MariaDB answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from agent.mapping.compile import compile_mapping
from agent.mapping.verify import describe, prepare_all
from canonical import valuemap
from canonical.entities import ENTITIES
from cdc_config.loader import EXAMPLE, load_config
from cdc_config.models import Config
from sandbox.psa.activity import Activity
from sandbox.psa.book import Size, create, load
from sandbox.psa.connect import connect
from sandbox.stack.mariadb import MariaDb
from tests.support.mariadb_oracle import MIRROR, Both, Kept, follow

pytestmark = pytest.mark.stack
_PSA = """
  psa:
    capture: kafka
    database: mariadb
    dsn: {env: PSA_DSN}
    kafka: {bootstrap_servers: "localhost:9092"}
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The example with the PSA system beside finance."""
    text = EXAMPLE.read_text().replace("use: [finance]", "use: [finance, psa]").replace("\ntargets:", f"{_PSA}\ntargets:")
    path = tmp_path / "coexist.yaml"
    path.write_text(text)
    return load_config(path)


@pytest.fixture
def both(mariadb: MariaDb, new_mariadb_database: str, mirror: psycopg.Connection) -> Iterator[Both]:
    """A small book, mirrored."""
    dsn = mariadb.dsn(database=new_mariadb_database)
    with closing(connect(dsn, autocommit=True)) as conn:
        create(conn)
        load(conn, seed=3, size=Size(25, 10, 50))
        yield Both.of(dsn, conn, mirror, like="psa")


def _kept(config: Config, both: Both) -> list[Kept]:
    found = []
    for name, mapping in config.mappings.items():
        if mapping.source == "psa":
            compiled = compile_mapping(
                name=name, source="psa", entity=mapping.entity, sql=mapping.sql.read_text(), sql_path=mapping.sql.name,
                key=mapping.key, dialect="mariadb", schema=both.schema, mirror_schema=MIRROR, consent_every_root=False,
            )  # fmt: skip
            prepare_all(both.mirror, compiled, mirror_schema=MIRROR)
            assert all(name in {str(r.schema) + "." + r.table for r in both.relations} for name in mapping.own_tables)
            found.append(Kept(both, compiled))
    return found


def test_the_shipped_mappings_stay_what_mariadb_answers_while_users_work(
    config: Config, both: Both, mariadb: MariaDb, new_mariadb_database: str
) -> None:
    kept = _kept(config, both)
    assert len(kept) == 3
    for one in kept:
        one.start()
        assert one.state
        assert not one.difference()
    with Activity(mariadb.dsn(database=new_mariadb_database), seed=12) as activity:
        for _ in range(12):
            activity.steps(15)
            assert follow(both, kept) > 0
            for one in kept:
                assert not one.difference(), one.mapping.name
    assert len(activity.totals.operations) > 15


def test_every_row_becomes_a_valid_entity(config: Config, both: Both, mariadb: MariaDb, new_mariadb_database: str) -> None:
    kept = _kept(config, both)
    with Activity(mariadb.dsn(database=new_mariadb_database), seed=4) as activity:
        activity.steps(80)
    follow(both, kept)
    for one in kept:
        mapping, names = config.mappings[one.mapping.name], [o.name for o in one.mapping.outputs]
        assert dict(describe(both.mirror, one.mapping)).keys() == set(names)
        for row in both.mirror.execute(one.mapping.view_sql.encode()).fetchall():
            fields = {n: v for n, v in zip(names, row, strict=True) if not n.startswith(("key_", "ref_"))}
            state = valuemap.apply(fields, mapping.value_maps, config.value_maps).state
            entity = ENTITIES[mapping.entity].model_validate(state)
            assert entity.model_dump()["external_number"]


def test_a_finance_number_is_mended_as_far_as_it_can_be(config: Config, both: Both) -> None:
    project = next(k for k in _kept(config, both) if k.mapping.name == "psa.project")
    project.start()
    place = [o.name for o in project.mapping.outputs].index("customer")
    found = {row[place] for rows in project.state.values() for row in rows}
    assert {n for n in found if n != "None"} <= {f"text 'C{i:08d}'" for i in range(1, 26)}
    assert "None" in found
