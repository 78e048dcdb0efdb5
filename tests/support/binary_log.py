"""What a MariaDB wrote to its binary log, as row changes: the whole truth that any capture of it can see."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.model.changes import Relation, RowChange
from sandbox.stack.mariadb import MariaDb

Place = tuple[str, int]  # file, offset
_HEAD = re.compile(r"^### (INSERT INTO|UPDATE|DELETE FROM) `([^`]+)`\.`([^`]+)`$")
_VALUE = re.compile(r"^###   @(\d+)=(.*)$")


def place(server: MariaDb) -> Place:
    """Where the log ends now."""
    with server.connect(server.admin, "mysql") as conn, conn.cursor() as cursor:
        cursor.execute("SHOW MASTER STATUS")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0]), int(row[1])


def transactions(server: MariaDb, since: Place, relations: Mapping[str, Relation]) -> list[list[RowChange]]:
    """The committed transactions of one database since a place in the same file, without those that touch nothing of it.

    relations: table → its shape. Numbers, plain texts and NULL only.
    """
    file, offset = since
    said = subprocess.run(
        ["mariadb-binlog", "--no-defaults", "--read-from-remote-server", "--host=127.0.0.1", f"--port={server.port}",
         f"--user={server.admin.user}", "--base64-output=decode-rows", "--verbose", f"--start-position={offset}", file],
        check=True, capture_output=True, text=True, env={"MYSQL_PWD": server.admin.password, "PATH": "/usr/bin:/bin"},
    ).stdout  # fmt: skip
    return list(read(said, relations))


def read(printed: str, relations: Mapping[str, Relation]) -> Iterator[list[RowChange]]:
    """Row changes by transaction, out of what mariadb-binlog prints."""
    found: list[RowChange] = []
    reading: _Reading | None = None
    for line in printed.splitlines():
        head = _HEAD.match(line)
        if reading is not None and (head or not line.startswith("###")):
            found.append(reading.change())
            reading = None
        if head:
            schema, table = head[2], head[3]
            relation = relations.get(table)
            reading = _Reading(relation, head[1]) if relation is not None and relation.schema == schema else None
        elif reading is not None:
            reading.take(line)
        elif line.startswith("COMMIT"):
            if found:
                yield found
            found = []


@dataclass
class _Reading:
    relation: Relation
    verb: str
    images: list[list[str | None]] = field(default_factory=list)

    def take(self, line: str) -> None:
        value = _VALUE.match(line)
        if value is None:
            self.images.append([])  # WHERE or SET
        else:
            self.images[-1].append(_plain(value[2]))

    def change(self) -> RowChange:
        images = [tuple(image) for image in self.images]
        if self.verb == "INSERT INTO":
            return RowChange(self.relation.ref, "c", None, images[0])
        if self.verb == "DELETE FROM":
            return RowChange(self.relation.ref, "d", images[0], None, old_complete=True)
        return RowChange(self.relation.ref, "u", images[0], images[1], old_complete=True)


def _plain(printed: str) -> str | None:
    if printed == "NULL":
        return None
    if printed.startswith("'"):
        assert "\\" not in printed, printed
        return printed[1:-1]
    return printed.split(" ")[0]  # -3 (4294967293)
