"""Publication and slot: made by us when we may, else printed as SQL for the DBA. Guests name what they take:
never all tables."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg import sql

from agent.capture.postgres import wire
from agent.capture.postgres.catalogue import Catalogue, TableNames
from agent.errors import SourceError, SourceUnavailable

PUBLISH: LiteralString = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
LOCK_TIMEOUT: LiteralString = "SET lock_timeout = '5s'"


def create_publication(publication: str, tables: TableNames) -> str:
    """CREATE PUBLICATION for exactly these tables."""
    return _text(
        sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (" + PUBLISH + ")").format(
            sql.Identifier(publication), _list(tables)
        )
    )


def add_tables(publication: str, tables: TableNames) -> str:
    """ALTER PUBLICATION … ADD TABLE."""
    return _text(
        sql.SQL("ALTER PUBLICATION {} ADD TABLE {}").format(sql.Identifier(publication), _list(tables))
    )


def setup_sql(publication: str, slot: str, tables: TableNames, role: str = "coexist") -> str:
    """What a DBA runs once in the source so that we need no more than LOGIN, REPLICATION and SELECT there."""
    who = sql.Identifier(role)
    schemas = sql.SQL(", ").join(sql.Identifier(s) for s in dict.fromkeys(s for s, _ in tables))
    names = sql.SQL(", ").join(sql.Identifier(s, t) for s, t in tables)
    statements = [
        _text(sql.SQL("ALTER ROLE {} WITH LOGIN REPLICATION").format(who)),
        _text(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schemas, who)),
        _text(sql.SQL("GRANT SELECT ON {} TO {}").format(names, who)),
        LOCK_TIMEOUT,
        create_publication(publication, tables),
        _text(sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(sql.Literal(slot))),
    ]
    return "".join(f"{statement};\n" for statement in statements)


def ensure_publication(dsn: str, catalogue: Catalogue, publication: str, tables: TableNames) -> None:
    """Make the publication, or add what it lacks. Raises SourceError with the SQL that somebody with more
    rights can run."""
    if not catalogue.ask("publication", (publication,)):
        statement = create_publication(publication, tables)
    else:
        there = {(schema, table) for schema, table, _ in catalogue.ask("publication_tables", (publication,))}
        missing = tuple(t for t in tables if t not in there)
        if not missing:
            return
        statement = add_tables(publication, missing)
    conn = wire.connect(dsn)
    try:
        wire.run(conn, LOCK_TIMEOUT, dsn)
        wire.run(conn, statement, dsn)
    except SourceError as error:
        # A publication needs the tables' owner; whoever that is can run what we could not.
        if not isinstance(error, SourceUnavailable):
            error.remedy = f"let the owner of the tables run: {statement};"
        raise
    finally:
        conn.close()


def drop_slot(dsn: str, slot: str) -> None:
    """Remove a slot of ours. Raises SourceError when it is in use."""
    conn = wire.connect(dsn)
    try:
        conn.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    except psycopg.Error as error:
        raise wire.translated(error, dsn) from None
    finally:
        conn.close()


def _list(tables: TableNames) -> sql.Composable:
    # ONLY: children of an inherited table are tables of their own, and published when they are named.
    return sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(s, t)) for s, t in tables)


def _text(statement: sql.Composable) -> str:
    return statement.as_string(None)
