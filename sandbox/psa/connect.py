"""Connections to the PSA database by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pymysql

if TYPE_CHECKING:
    Connection = pymysql.connections.Connection[Any]
else:
    Connection = pymysql.connections.Connection


def connect(dsn: str, *, autocommit: bool = False) -> Connection:
    """A session on `mysql://user:password@host:port/database`, in UTC; raises pymysql.Error."""
    url = urlsplit(dsn)
    return pymysql.connect(
        host=url.hostname or "127.0.0.1",
        port=url.port or 3306,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        database=unquote(url.path[1:]) or None,
        charset="utf8mb4",
        autocommit=autocommit,
        init_command="SET time_zone = '+00:00'",
    )


def execute(conn: Connection, sql: str, parameters: object = None) -> int:
    """One statement; the rows that it changed. Deadlocks and refusals are the caller's."""
    with conn.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def rows(conn: Connection, sql: str, parameters: object = None) -> list[tuple[Any, ...]]:
    """The rows of one query."""
    with conn.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
