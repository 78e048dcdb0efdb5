"""The address of a MariaDB as a URL, and one read-only connection to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from agent.errors import SourceError, SourceUnavailable

if TYPE_CHECKING:
    Connection = pymysql.connections.Connection[Any]
else:
    Connection = pymysql.connections.Connection

_SESSION = "SET SESSION tx_read_only = 1, SESSION sql_mode = '', SESSION sql_quote_show_create = 1"
_FORM = "write mysql://user:password@host:port/database, special characters as %XX"
# The server's and the client's codes for "not now": too many connections, shutting down, killed, timed out, gone, lost.
_NOT_NOW = {1040, 1053, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1226, 1317, 1927, 2002, 2003, 2006, 2013, 2055}


@dataclass(frozen=True, slots=True)
class MariaDbDsn:
    """Where a database is and who asks. ssl_ca: the file that its certificate is checked against; None: no TLS."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    ssl_ca: str | None = None

    @property
    def place(self) -> str:
        """Where, for messages: without the password."""
        return f"mysql://{self.user}@{self.host}:{self.port}/{self.database}"

    @classmethod
    def parse(cls, text: str) -> MariaDbDsn:
        """From `mysql://` or `mariadb://user:password@host:port/database?ssl_ca=file`. Raises SourceError, which does not
        repeat the text."""
        try:
            url = urlsplit(text.strip())
            port = url.port or 3306
            options = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
        except ValueError:
            raise _bad("it cannot be read") from None
        if url.scheme not in ("mysql", "mariadb"):
            raise _bad("it does not begin with mysql:// or mariadb://")
        database = unquote(url.path[1:])
        if not url.hostname or not url.username or not database or "/" in database:
            raise _bad("it needs a user, a host and one database")
        ssl_ca = options.pop("ssl_ca", None)
        if options:
            raise _bad(f"it has unknown options ({', '.join(sorted(options))}); only ssl_ca is known")
        return cls(url.hostname, port, unquote(url.username), unquote(url.password or ""), database, ssl_ca)

    def connect(self) -> Connection:
        """A session that cannot write. Raises SourceError, SourceUnavailable."""
        tls: dict[str, Any] = {"ssl_ca": self.ssl_ca} if self.ssl_ca else {"ssl_disabled": True}
        try:
            return pymysql.connect(
                host=self.host, port=self.port, user=self.user, password=self.password, database=self.database,
                charset="utf8mb4", autocommit=True, connect_timeout=10, read_timeout=60, write_timeout=60,
                init_command=_SESSION, **tls,
            )  # fmt: skip
        except (pymysql.Error, OSError) as error:
            # Refused or not there: both may be mended while we wait.
            raise SourceUnavailable(
                f"the database cannot be reached: {_said(error)}", where=self.place,
                remedy="check that it runs, its address, user, password and grants",
            ) from None  # fmt: skip

    def translated(self, error: Exception) -> SourceError:
        """An error of a statement as ours; SourceUnavailable when the same may work later."""
        code = error.args[0] if error.args else 0
        if code in _NOT_NOW or isinstance(error, OSError | pymysql.err.InterfaceError):
            return SourceUnavailable(
                f"the database broke off: {_said(error)}", where=self.place, remedy="it is tried again"
            )
        return SourceError(f"the database refused: {_said(error)}", where=self.place, remedy="check the user's grants")


def _said(error: Exception) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error) or type(error).__name__


def _bad(why: str) -> SourceError:
    return SourceError(f"the database's address is not usable: {why}", where="dsn of the source", remedy=_FORM)
