"""The database behind a topic: the shapes of its tables, which one it is, and where it stands. One class per kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from agent.capture.kafka.cursor import Cursor, gtid_position
from agent.capture.kafka.mariadb_catalogue import MariaDbCatalogue
from agent.capture.kafka.shapes import Table
from agent.capture.postgres import wire
from agent.capture.postgres.catalogue import Catalogue
from agent.errors import SourceError
from agent.model.changes import Relation
from agent.store.queries import queries

_SQL = queries("agent.capture.kafka", "postgres")


class Described(NamedTuple):
    """A table's shape. complete: old images of its rows come whole, not only their keys."""

    relation: Relation
    complete: bool


class Database(Protocol):
    """Read only. Every method raises SourceError and SourceUnavailable."""

    ddl_commits: bool  # a TRUNCATE is a transaction of its own

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    def all_tables(self) -> list[Table]:
        """Every table it has."""
        ...

    def describe(self, table: Table) -> Described | None:
        """A table as it is now; None when there is none. Refuses one whose changes name no row."""
        ...

    def shapes(self, tables: Sequence[Table]) -> dict[Table, Described]:
        """Those of the tables that are there, for looking only: with or without a key."""
        ...

    def identity(self) -> tuple[str, int]:
        """Which database this is: id and timeline; another after a restore."""
        ...

    def position(self) -> Cursor:
        """Where it stands now."""
        ...

    def check(self) -> None:
        """Refuse settings under which changes would be lost."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class PostgresDatabase:
    """PostgreSQL, asked over an ordinary connection."""

    ddl_commits = False

    def __init__(self, dsn: str) -> None:
        self._catalogue = Catalogue(dsn)
        self._dsn = dsn

    @property
    def place(self) -> str:
        """See Database."""
        return wire.place(self._dsn)

    def all_tables(self) -> list[Table]:
        """See Database."""
        return [(row[0], row[1]) for row in self._catalogue.ask("all_tables")]

    def describe(self, table: Table) -> Described | None:
        """See Database."""
        found = self.shapes([table]).get(table)
        if found is not None and not found.relation.key_indexes:
            raise SourceError(
                f"table {'.'.join(table)} has no primary key that its replica identity could use", where=self.place,
                remedy="add a primary key, or a unique index over NOT NULL columns and REPLICA IDENTITY USING INDEX",
            )  # fmt: skip
        return found

    def shapes(self, tables: Sequence[Table]) -> dict[Table, Described]:
        """See Database."""
        found = self._catalogue.tables(tuple(tables)) if tables else ()
        return {
            (t.schema, t.table): Described(t.relation, t.identity == "f") for t in found if t.relation is not None
        }

    def identity(self) -> tuple[str, int]:
        """See Database."""
        system, timeline, _ = self._stands()
        return str(system), int(timeline)

    def position(self) -> Cursor:
        """See Database."""
        return Cursor(lsn=int(self._stands()[2]))

    def check(self) -> None:
        """See Database."""
        server = self._catalogue.server()
        if server.wal_level != "logical":
            raise SourceError(
                f"wal_level is {server.wal_level}", where=self.place,
                remedy="set wal_level = logical in postgresql.conf and restart the server",
            )  # fmt: skip

    def close(self) -> None:
        """See Database."""
        self._catalogue.close()

    def _stands(self) -> tuple[Any, ...]:
        return self._catalogue.query(_SQL["stands"])[0]


class MariaDbDatabase:
    """MariaDB. Its schema is the database that the DSN names."""

    ddl_commits = True

    def __init__(self, dsn: str) -> None:
        self._catalogue = MariaDbCatalogue(dsn)

    @property
    def place(self) -> str:
        """See Database."""
        return self._catalogue.dsn.place

    def all_tables(self) -> list[Table]:
        """See Database."""
        return self._catalogue.all_tables()

    def describe(self, table: Table) -> Described | None:
        """See Database."""
        found = self.shapes([table]).get(table)
        if found is not None and not found.relation.key_indexes:
            raise SourceError(
                f"table {'.'.join(table)} has no primary key", where=self.place, remedy="add one: its changes name no row"
            )
        return found

    def shapes(self, tables: Sequence[Table]) -> dict[Table, Described]:
        """See Database."""
        there = frozenset(self._catalogue.all_tables())
        found = self._catalogue.relations([table for table in tables if table in there])
        return {(r.schema, r.table): Described(r, True) for r in found}

    def identity(self) -> tuple[str, int]:
        """See Database."""
        return self._catalogue.incarnation(), 0

    def position(self) -> Cursor:
        """See Database."""
        return Cursor(gtids=gtid_position(self._catalogue.position().gtid))

    def check(self) -> None:
        """See Database."""
        self._catalogue.check()

    def close(self) -> None:
        """See Database."""
        self._catalogue.close()


_KINDS: dict[str, type[PostgresDatabase] | type[MariaDbDatabase]] = {"postgres": PostgresDatabase, "mariadb": MariaDbDatabase}


def open_database(kind: str, dsn: str) -> Database:
    """kind: postgres or mariadb. Nothing is connected yet; raises SourceError for an address that is none."""
    return _KINDS[kind](dsn)


def describe_all(database: Database, tables: Sequence[Table]) -> tuple[Described, ...]:
    """Every wanted table. Raises SourceError when one is missing."""
    found = [database.describe(table) for table in tables]
    missing = [".".join(table) for table, one in zip(tables, found, strict=True) if one is None]
    if missing:
        raise SourceError(
            f"there is no table {', '.join(missing)}", where=database.place, remedy="correct the name, or create the table"
        )
    return tuple(one for one in found if one is not None)
