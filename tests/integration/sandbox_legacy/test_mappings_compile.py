"""The shipped finance mappings through the compiler: what it makes of them says the same as their own
text."""

from __future__ import annotations

import psycopg
import pytest

from agent.mapping.compile import compile_mapping
from agent.mapping.schema import SourceSchema, SourceTable
from agent.model.changes import Column
from agent.model.mapping import CompiledMapping, TableName
from tests.integration.sandbox_legacy.test_mappings import CONFIG, NAMES

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnum = ANY (i.indkey), a.attnotnull
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relnamespace = 'fin'::regnamespace ORDER BY c.relname, a.attnum
"""


def _compiled(conn: psycopg.Connection, name: str) -> CompiledMapping:
    columns: dict[str, list[Column]] = {}
    for table, *described in conn.execute(_COLUMNS).fetchall():
        columns.setdefault(table, []).append(Column(*described))
    tables = tuple(SourceTable(TableName("fin", table), tuple(c)) for table, c in columns.items())
    mapping = CONFIG.mappings[name]
    return compile_mapping(
        name=name,
        source=mapping.source,
        entity=mapping.entity,
        sql=mapping.sql.read_text(),
        sql_path=mapping.sql.name,
        key=mapping.key,
        dialect="postgres",
        schema=SourceSchema(tables),
        mirror_schema="mirror_finance",
        consent_every_root=mapping.consent_every_root,
    )


def _stand_in_mirror(conn: psycopg.Connection) -> None:
    conn.execute("CREATE SCHEMA mirror_finance")
    for (table,) in conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'fin'::regnamespace AND relkind = 'r'"
    ):
        conn.execute(f'CREATE VIEW mirror_finance."fin.{table}" AS SELECT * FROM fin.{table}')


def _texts(conn: psycopg.Connection, sql: str) -> list[str]:
    return [r[0] for r in conn.execute(f"SELECT q::text FROM ({sql}) AS q ORDER BY 1").fetchall()]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_mapping_compiles_and_means_the_same(legacy: psycopg.Connection, name: str) -> None:
    compiled = _compiled(legacy, name)
    _stand_in_mirror(legacy)
    own = _texts(legacy, CONFIG.mappings[name].sql.read_text())
    assert _texts(legacy, compiled.view_sql) == own
    keys = ", ".join(f"{key}" for key in CONFIG.mappings[name].key)
    legacy.execute(f"CREATE TEMP TABLE keys AS SELECT {keys} FROM ({compiled.view_sql}) AS v")
    assert _texts(legacy, compiled.evaluate_sql.replace("{keys}", "pg_temp.keys")) == own
    legacy.execute("DROP TABLE pg_temp.keys")


@pytest.mark.parametrize("name", NAMES)
def test_no_table_of_a_shipped_mapping_reaches_every_entity(legacy: psycopg.Connection, name: str) -> None:
    compiled = _compiled(legacy, name)
    assert [leaf.leaf_id for leaf in compiled.leaves if leaf.every_root] == []
    assert {str(leaf.table) for leaf in compiled.leaves} >= set(CONFIG.mappings[name].own_tables)


def test_deadwood_and_audit_timestamps_are_not_read(legacy: psycopg.Connection) -> None:
    dead = {
        "upd_ts",
        "edi_no",
        "grp_x",
        "fax_no",
        "tlx_no",
        "rep_cd",
        "prt_cnt",
        "btch_no",
        "ln_typ",
        "wh_cd",
        "bnk_cd",
    }
    for name in NAMES:
        for table, columns in _compiled(legacy, name).read_columns:
            assert not dead & set(columns), table
            assert table.table not in ("keyhis", "wrkprt", "audlog", "glper")
