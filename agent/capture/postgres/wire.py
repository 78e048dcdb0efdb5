"""Connections to a source: opened, talked to without blocking for ever, and their failures put in our
words."""

from __future__ import annotations

import os
import select
import threading
import time

import psycopg
from psycopg import conninfo, pq
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.errors import error_from_result

from agent.errors import SourceError, SourceUnavailable
from agent.store.queries import queries

_RESTART = ("08", "57P", "53300", "53400", "40", "55P03")  # SQLSTATEs after which the same may succeed
_SESSION = queries("agent.capture.postgres", "session")


class Interrupt:
    """A stop order that a blocked wait notices: sticky, to be given from any thread."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._read, self._write = os.pipe()

    def tell(self) -> None:
        """Give the order."""
        if not self._told.is_set():
            self._told.set()
            os.write(self._write, b"!")

    @property
    def told(self) -> bool:
        """Whether the order was given."""
        return self._told.is_set()

    def wait(self, fd: int | None, seconds: float) -> bool:
        """Wait until `fd` can be read, the order is given, or time is over; True when `fd` can be read."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        if fd is not None:
            poll.register(fd, select.POLLIN)
        return any(ready == fd for ready, _ in poll.poll(max(seconds, 0) * 1000))

    def pause(self, seconds: float) -> bool:
        """Sleep unless told to stop; True when told."""
        self.wait(None, seconds)
        return self.told

    def __del__(self) -> None:
        # Not in a close(): somebody may still give the order while the capture is being closed.
        os.close(self._read)
        os.close(self._write)


class _LooseText(Loader):
    """Texts of a SQL_ASCII server, which psycopg would leave as bytes."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


class Stopped(Exception):
    """The order to stop arrived during a wait. Never leaves this package."""


def place(dsn: str) -> str:
    """Where a source is, for messages: never its user's password, never the DSN."""
    try:
        parts = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        return "source"
    return f"source {parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def connect(dsn: str, *, replication: bool = False) -> psycopg.Connection:
    """An autocommit connection whose session prints values in one fixed way.

    Raises SourceUnavailable when nobody answers or the login is refused, SourceError on a DSN that is none.
    """
    extra = {"replication": "database"} if replication else {}
    try:
        info = conninfo.make_conninfo(
            dsn,
            **extra,
            application_name="coexist",
            connect_timeout=10,
            keepalives_idle=30,
            tcp_user_timeout=60_000,
        )
    except psycopg.Error:
        # libpq's own text quotes the DSN, password and all.
        raise SourceError(
            "the DSN of the source cannot be read", remedy="postgresql://user:password@host:port/database"
        ) from None
    try:
        conn = psycopg.connect(info, autocommit=True)
    except psycopg.Error as error:
        raise unavailable(error, dsn) from None
    try:
        encoding = conn.info.parameter_status("server_encoding")
        # A SQL_ASCII server would refuse to send us bytes that are not UTF-8; asked for SQL_ASCII it sends
        # what it has.
        run(conn, f"SET client_encoding = {'SQL_ASCII' if encoding == 'SQL_ASCII' else 'UTF8'}", dsn)
        if encoding == "SQL_ASCII":
            for type_name in ("text", "name", "varchar"):
                conn.adapters.register_loader(type_name, _LooseText)
        run(conn, _SESSION["print_values"], dsn)
    except SourceError:
        conn.close()
        raise
    return conn


def run(
    conn: psycopg.Connection, command: str, dsn: str, interrupt: Interrupt | None = None
) -> list[tuple[str | None, ...]]:
    """One command over the simple protocol (the only one a replication connection speaks); rows of its last
    result.

    Stops at COPY, which the caller goes on with. Raises Stopped, SourceError, SourceUnavailable.
    """
    pgconn = conn.pgconn
    rows: list[tuple[str | None, ...]] = []
    try:
        pgconn.send_query(command.encode())
        pgconn.flush()
        while True:
            while pgconn.is_busy():
                _await(conn, interrupt)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                return rows
            if result.status in (pq.ExecStatus.COPY_BOTH, pq.ExecStatus.COPY_OUT):
                return rows
            if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
                raise error_from_result(result)
            rows = [tuple(_cell(result, r, c) for c in range(result.nfields)) for r in range(result.ntuples)]
    except psycopg.Error as error:
        raise translated(error, dsn) from None


def _await(conn: psycopg.Connection, interrupt: Interrupt | None) -> None:
    if interrupt is None:
        select.select([conn.pgconn.socket], [], [])
        return
    interrupt.wait(conn.pgconn.socket, 3600)
    if interrupt.told:
        cancel(conn)
        raise Stopped


def _cell(result: pq.abc.PGresult, row: int, column: int) -> str | None:
    value = result.get_value(row, column)
    return None if value is None else value.decode("utf-8", "surrogateescape")


def cancel(conn: psycopg.Connection) -> None:
    """Ask the server to give up what this connection is doing (it may wait for others' transactions)."""
    try:
        conn.cancel_safe(timeout=2)
    except psycopg.Error:
        return  # it is being closed anyway


def unavailable(error: psycopg.Error, dsn: str) -> SourceUnavailable:
    """Nobody there, or not for us just now."""
    return SourceUnavailable(
        f"the source cannot be reached: {_scrubbed(error, dsn)}",
        where=place(dsn),
        remedy="check host, port, database, user, password and pg_hba.conf (a line for replication too)",
    )


def translated(error: psycopg.Error, dsn: str) -> SourceError:
    """A server's or libpq's error as ours; SourceUnavailable when the same may work later."""
    state = error.sqlstate or ""
    if (not state and isinstance(error, psycopg.OperationalError)) or state.startswith(_RESTART):
        return SourceUnavailable(
            f"the source broke off: {_scrubbed(error, dsn)}", where=place(dsn), remedy="it is tried again"
        )
    return SourceError(f"the source refused: {_scrubbed(error, dsn)}", where=place(dsn), remedy=_hint(error))


def _hint(error: psycopg.Error) -> str:
    return error.diag.message_hint or "see the server's log"


def _scrubbed(error: psycopg.Error, dsn: str) -> str:
    text = (error.diag.message_primary or str(error)).strip().replace("\n", "; ")
    try:
        secret = conninfo.conninfo_to_dict(dsn).get("password")
    except psycopg.Error:
        return "(text withheld)"
    return text.replace(str(secret), "***") if secret else text


def deadline(seconds: float) -> float:
    """A moment on the monotonic clock."""
    return time.monotonic() + seconds
