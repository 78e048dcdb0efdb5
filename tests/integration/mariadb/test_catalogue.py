"""What the catalogue reads of a real MariaDB, and which servers it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from agent.capture.kafka.mariadb_catalogue import CONNECTOR_PRIVILEGES, MariaDbCatalogue, reference
from agent.capture.kafka.mariadb_dsn import MariaDbDsn
from agent.capture.kafka.values import UNCAPTURED
from agent.errors import SourceError, SourceUnavailable
from agent.model.changes import Column, ForeignKey
from sandbox.psa.connect import execute
from sandbox.stack.mariadb import Account, MariaDb

pytestmark = pytest.mark.stack


def _run(mariadb: MariaDb, *statements: str) -> None:
    """Statements as the administrator."""
    with closing(mariadb.connect(mariadb.admin, "mysql")) as conn:
        for statement in statements:
            execute(conn, statement)

_TYPES = {
    "TINYINT": "smallint", "TINYINT(1)": "smallint", "BOOLEAN": "smallint", "TINYINT UNSIGNED": "smallint",
    "SMALLINT": "smallint", "SMALLINT UNSIGNED": "integer", "MEDIUMINT": "integer", "MEDIUMINT UNSIGNED": "integer",
    "INT": "integer", "INT UNSIGNED": "bigint", "INT(5) ZEROFILL": "bigint", "BIGINT": "bigint",
    "BIGINT UNSIGNED": "numeric(20,0)", "DECIMAL(9,4)": "numeric(9,4)", "DECIMAL": "numeric(10,0)", "FLOAT": "real",
    "DOUBLE": "double precision", "CHAR(3)": "text", "VARCHAR(9)": "text", "TINYTEXT": "text", "LONGTEXT": "text",
    "JSON": "text", "ENUM('a','b')": "text", "SET('a','b')": "text", "DATE": "date", "DATETIME": "timestamp without time zone",
    "DATETIME(6)": "timestamp without time zone", "TIMESTAMP(3) NULL": "timestamp with time zone", "TIME(3)": "interval",
    "YEAR": "smallint", "BIT(1)": "smallint", "BIT(12)": "bit(12)", "BINARY(4)": "bytea",
    "VARBINARY(9)": "bytea", "BLOB": "bytea",
}  # fmt: skip


@pytest.fixture
def database(new_mariadb_database: str) -> str:
    """An empty database."""
    return new_mariadb_database


@pytest.fixture
def catalogue(mariadb: MariaDb, database: str) -> Iterator[MariaDbCatalogue]:
    """The catalogue of it."""
    found = MariaDbCatalogue(mariadb.dsn(mariadb.connector, database))
    yield found
    found.close()


def test_every_captured_type_has_its_place_in_the_mirror(
    mariadb: MariaDb, database: str, catalogue: MariaDbCatalogue
) -> None:
    columns = ", ".join(f"c{n} {text}" for n, text in enumerate(_TYPES))
    _run(mariadb, f"CREATE TABLE {database}.t (id INT PRIMARY KEY, {columns})")
    found = catalogue.relations()[0].columns[1:]
    assert {text: c.type_name for text, c in zip(_TYPES, found, strict=True)} == _TYPES


@pytest.mark.parametrize("kind", ["POINT", "UUID", "INET6", "GEOMETRY"])
def test_a_type_that_is_not_captured_is_marked(
    mariadb: MariaDb, database: str, catalogue: MariaDbCatalogue, kind: str
) -> None:
    _run(mariadb, f"CREATE TABLE {database}.t (id INT PRIMARY KEY, x {kind})")
    assert catalogue.relations()[0].columns[1].type_name == UNCAPTURED


def test_keys_nullability_and_collations_are_told(
    mariadb: MariaDb, database: str, catalogue: MariaDbCatalogue
) -> None:
    columns = "b INT NOT NULL, a VARCHAR(3) COLLATE utf8mb4_bin, nm TEXT, c CHAR(4) COLLATE utf8mb4_bin"
    _run(mariadb, f"CREATE TABLE {database}.t ({columns}, z INT ZEROFILL, bt BIT(1), PRIMARY KEY (b, a))")
    relation = catalogue.relations([(database, "t")])[0]
    assert (relation.ref, relation.schema, relation.table) == (reference(database, "t"), database, "t")
    assert relation.columns == (
        Column("b", "integer", True, True),
        Column("a", "text", True, True, "utf8mb4_bin"),
        Column("nm", "text", False, False, "utf8mb4_unicode_ci"),
        Column("c", "text", False, False, "unpadded utf8mb4_bin"),
        Column("z", "bigint", False, False, "binary"),
        Column("bt", "smallint", False, False, "binary"),
    )
    assert 0 < relation.ref < 2**63


def test_foreign_keys_that_act_unseen_are_told_and_others_left_out(
    mariadb: MariaDb, database: str, catalogue: MariaDbCatalogue
) -> None:
    _run(
        mariadb,
        f"CREATE TABLE {database}.p (a INT, b INT, u INT UNIQUE, PRIMARY KEY (a, b))",
        f"CREATE TABLE {database}.c (id INT PRIMARY KEY, a INT, `b``x, y` INT, u INT, v INT, w INT,"
        f" CONSTRAINT x FOREIGN KEY (a, `b``x, y`) REFERENCES {database}.p (a, b) ON DELETE CASCADE,"
        f" CONSTRAINT y FOREIGN KEY (u) REFERENCES {database}.p (u) ON DELETE SET NULL ON UPDATE CASCADE,"
        f" CONSTRAINT z FOREIGN KEY (v) REFERENCES {database}.p (u) ON DELETE RESTRICT,"
        f" CONSTRAINT k FOREIGN KEY (w) REFERENCES {database}.c (id) ON UPDATE SET NULL)",
    )
    child, parent = catalogue.relations()
    assert parent.foreign_keys == ()
    assert child.foreign_keys == (
        ForeignKey(("w",), database, "c", ("id",), "none", "set null"),
        ForeignKey(("a", "b`x, y"), database, "p", ("a", "b"), "cascade", "none"),
        ForeignKey(("u",), database, "p", ("u",), "set null", "cascade"),
    )


def test_tables_are_listed_without_views_and_a_missing_one_is_refused(
    mariadb: MariaDb, database: str, catalogue: MariaDbCatalogue
) -> None:
    _run(mariadb, f"CREATE TABLE {database}.t (id INT PRIMARY KEY)", f"CREATE VIEW {database}.v AS SELECT 1 AS x")
    assert catalogue.all_tables() == [(database, "t")]
    with pytest.raises(SourceError, match=f"no table {database}.v"):
        catalogue.relations([(database, "v")])


def test_the_position_moves_with_the_binary_log_and_the_incarnation_stays(
    mariadb: MariaDb, database: str, catalogue: MariaDbCatalogue
) -> None:
    before, server = catalogue.position(), catalogue.incarnation()
    _run(mariadb, f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
    after = catalogue.position()
    assert after.gtid.startswith("1-1-")
    assert after != before
    assert (after.file, after.offset) > (before.file, before.offset)
    assert after.file in catalogue.binary_logs()
    assert catalogue.incarnation() == server != ""


def test_a_connection_that_died_is_replaced(mariadb: MariaDb, catalogue: MariaDbCatalogue) -> None:
    catalogue.position()
    conn = mariadb.connect(mariadb.admin, "mysql")
    with conn.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'connector'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
    conn.close()
    assert catalogue.position().offset > 0


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [("binlog_format", "STATEMENT", "binlog_format is STATEMENT"),
     ("binlog_row_image", "MINIMAL", "rows would come incomplete")],
)  # fmt: skip
def test_a_setting_that_is_unsafe_for_capture_is_refused_with_what_to_do(
    mariadb: MariaDb, catalogue: MariaDbCatalogue, setting: str, value: str, said: str
) -> None:
    catalogue.check()
    row = mariadb.connect(mariadb.admin, "mysql")
    with row.cursor() as cursor:
        cursor.execute(f"SELECT @@global.{setting}")
        (before,) = cursor.fetchone() or ("",)
        try:
            cursor.execute(f"SET GLOBAL {setting} = {value}")
            with pytest.raises(SourceError, match=said) as caught:
                catalogue.check()
            assert "SET GLOBAL" in caught.value.remedy
        finally:
            cursor.execute(f"SET GLOBAL {setting} = {before}")
    row.close()


def test_missing_privileges_are_named(mariadb: MariaDb, database: str) -> None:
    _run(
        mariadb,
        f"CREATE TABLE {database}.t (id INT PRIMARY KEY)",
        "CREATE OR REPLACE USER reader IDENTIFIED BY 'p@ss/word'",
        f"GRANT SELECT ON {database}.* TO reader",
    )  # fmt: skip
    reader = MariaDbCatalogue(mariadb.dsn(Account("reader", "p%40ss%2Fword"), database))
    assert [r.table for r in reader.relations()] == ["t"]
    reader.check()
    with pytest.raises(SourceError, match="REPLICATION SLAVE, BINLOG MONITOR"):
        reader.check(CONNECTOR_PRIVILEGES)
    with pytest.raises(SourceError, match="may not see the binary log's position") as caught:
        reader.position()
    assert "GRANT BINLOG MONITOR" in caught.value.remedy
    _run(mariadb, "GRANT SELECT, RELOAD, LOCK TABLES, SHOW DATABASES, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO reader")
    reader.check(CONNECTOR_PRIVILEGES)
    reader.close()


def test_the_session_cannot_write(mariadb: MariaDb, database: str) -> None:
    _run(mariadb, f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
    conn = MariaDbDsn.parse(mariadb.dsn(mariadb.admin, database)).connect()
    with pytest.raises(Exception, match="READ ONLY"), conn.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
    conn.close()


def test_who_cannot_be_reached_or_refuses_us_is_waited_for_and_no_password_is_told(mariadb: MariaDb) -> None:
    for dsn in (
        "mariadb://u:sesame@127.0.0.1:1/x", mariadb.dsn(Account("nobody", "sesame"), "mysql"), "mysql://u:sesame@no.such.host.invalid/x",
    ):  # fmt: skip
        with pytest.raises(SourceUnavailable) as caught:
            MariaDbCatalogue(dsn).all_tables()
        assert "sesame" not in f"{caught.value} {caught.value!r}"
