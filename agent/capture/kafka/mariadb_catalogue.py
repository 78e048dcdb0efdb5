"""What a MariaDB says of itself: tables with their columns and keys, foreign keys that act unseen, settings, positions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import pymysql

from agent.capture.kafka.mariadb_dsn import Connection, MariaDbDsn
from agent.capture.kafka.mariadb_keys import foreign_keys
from agent.capture.kafka.mariadb_types import ColumnRow, collation, type_name
from agent.capture.kafka.values import UNCAPTURED
from agent.errors import SourceError
from agent.model.changes import Column, ForeignKey, Relation
from agent.store.queries import queries

_SQL = queries("agent.capture.kafka", "mariadb")
_SETTINGS = {
    "log_bin": ("ON", "the binary log is off", "start the server with --log-bin"),
    "binlog_format": ("ROW", "binlog_format is {0}, not of rows", "SET GLOBAL binlog_format = ROW, and in my.cnf"),
    "binlog_row_image": (
        "FULL", "binlog_row_image is {0}: rows would come incomplete", "SET GLOBAL binlog_row_image = FULL, and in my.cnf",
    ),
}  # fmt: skip
CONNECTOR_PRIVILEGES = ("SELECT", "RELOAD", "LOCK TABLES", "SHOW DATABASES", "REPLICATION SLAVE", "BINLOG MONITOR")


class Position(NamedTuple):
    """Where the binary log ends now: GTIDs by domain, as the server prints them, and file with offset."""

    gtid: str
    file: str
    offset: int


class MariaDbCatalogue:
    """Answers from one read-only connection, opened when first needed and again when it broke.

    dsn: `mysql://user:password@host:port/database`. Every method raises SourceError and SourceUnavailable.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = MariaDbDsn.parse(dsn)
        self._conn: Connection | None = None

    @property
    def schema(self) -> str:
        """The database that is asked about; relations have it as their schema."""
        return self.dsn.database

    def close(self) -> None:
        """Release the connection; the next question opens another."""
        conn, self._conn = self._conn, None
        if conn is not None and conn.open:
            conn.close()

    def all_tables(self) -> list[tuple[str, str]]:
        """(schema, table) of every table that our user may see."""
        return [(schema, table) for schema, table in self._ask("tables", schema=self.schema)]

    def relations(self, tables: Iterable[tuple[str, str]] | None = None) -> tuple[Relation, ...]:
        """The wanted tables (default: all) in their order, each with those of its foreign keys that act on it.

        A column whose type is not captured has UNCAPTURED for it. Raises SourceError for a table that is not there.
        """
        rows = self._ask("columns", schema=self.schema)
        columns = {table: list(group) for table, group in groupby(rows, key=lambda row: str(row[0]))}
        wanted = [(self.schema, table) for table in columns] if tables is None else list(tables)
        found = []
        for schema, table in wanted:
            if schema != self.schema or table not in columns:
                raise self._refuse(
                    f"there is no table {schema}.{table}, or our user may not see it",
                    "correct the name, or grant the user SELECT on it",
                )
            shape = tuple(_column(ColumnRow(*row[1:])) for row in columns[table])
            found.append(Relation(reference(schema, table), schema, table, shape, self._foreign_keys(table)))
        return tuple(found)

    def incarnation(self) -> str:
        """What tells this server from another, also from one restored elsewhere: its uid, else server id and GTID domain."""
        settings = self._settings()
        uid = settings.get("server_uid")
        return uid or f"{settings.get('server_id')}/{settings.get('gtid_domain_id')}"

    def position(self) -> Position:
        """Where the binary log ends now."""
        gtid = self._settings().get("gtid_binlog_pos", "")
        rows = self._ask_as_monitor("position")
        if not rows:
            raise self._refuse(*_SETTINGS["log_bin"][1:])
        return Position(gtid, str(rows[0][0]), int(rows[0][1]))

    def binary_logs(self) -> list[str]:
        """The binary log files that the server still has, oldest first."""
        return [str(row[0]) for row in self._ask_as_monitor("binary_logs")]

    def check(self, privileges: Sequence[str] = ()) -> None:
        """Raise SourceError on the first setting that is unsafe for capture, or privilege that our user has not.

        privileges: global ones, CONNECTOR_PRIVILEGES where the connector comes as the same user.
        """
        settings = self._settings()
        for name, (wanted, what, remedy) in _SETTINGS.items():
            found = settings.get(name, "OFF")
            if found.upper() != wanted:
                raise self._refuse(what.format(found), remedy)
        have = {str(row[0]).upper() for row in self._ask("privileges")}
        missing = [p for p in privileges if p not in have]
        if missing:
            raise self._refuse(
                f"the user {self.dsn.user} lacks {', '.join(missing)}",
                f"let a DBA run: GRANT {', '.join(missing)} ON *.* TO the user",
            )

    def _foreign_keys(self, table: str) -> tuple[ForeignKey, ...]:
        # information_schema shows foreign keys only to who may do more than SELECT, and to others nothing at all.
        name = ".".join("`" + part.replace("`", "``") + "`" for part in (self.schema, table))
        text = str(self._run(f"SHOW CREATE TABLE {name}")[0][1])
        return tuple(k for k in foreign_keys(text, self.schema) if (k.on_delete, k.on_update) != ("none", "none"))

    def _settings(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._ask("settings")}

    def _ask_as_monitor(self, name: str) -> list[tuple[Any, ...]]:
        try:
            return self._ask(name)
        except SourceError as error:
            if "BINLOG MONITOR" not in error.what:
                raise
            raise self._refuse(
                f"the user {self.dsn.user} may not see the binary log's position",
                "let a DBA run: GRANT BINLOG MONITOR ON *.* TO the user",
            ) from None

    def _ask(self, name: str, **parameters: str) -> list[tuple[Any, ...]]:
        return self._run(_SQL[name], parameters or None)

    def _run(self, statement: str, parameters: dict[str, str] | None = None) -> list[tuple[Any, ...]]:
        for again in (True, False):
            fresh = self._conn is None
            if self._conn is None:
                self._conn = self.dsn.connect()
            try:
                with self._conn.cursor() as cursor:
                    cursor.execute(statement, parameters)
                    return list(cursor.fetchall())
            except (pymysql.Error, OSError) as error:
                self.close()
                translated = self.dsn.translated(error)
                # A connection that lay idle may have died long ago; one that is new may not.
                if fresh or not again or type(translated) is SourceError:
                    raise translated from None
        raise AssertionError("unreachable")

    def _refuse(self, what: str, remedy: str) -> SourceError:
        return SourceError(what, where=self.dsn.place, remedy=remedy)


def _column(row: ColumnRow) -> Column:
    return Column(row.name, type_name(row) or UNCAPTURED, bool(row.key), not row.nullable, collation(row))


def reference(schema: str, table: str) -> int:
    """A table's number, the same for ever: 63 bits, positive, made from its name."""
    digest = hashlib.sha256(f"{schema}\0{table}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1 or 1
