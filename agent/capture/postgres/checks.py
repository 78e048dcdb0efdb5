"""Everything that makes a source unsafe to capture, each refused with what a person can do about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from agent.capture.postgres import wire
from agent.capture.postgres.catalogue import CapturedTable, Catalogue, TableNames
from agent.capture.postgres.lsn import flush_lsn, lsn_text, position_before
from agent.capture.postgres.setup import setup_sql
from agent.errors import SlotInUse, SourceError
from agent.model.changes import ResumePoint

OLDEST = 130000
_RESNAPSHOT = "take a new snapshot of this source (`coexist source resnapshot`)"
_PUBLISHED = ("pubinsert", "pubupdate", "pubdelete", "pubtruncate")


class Checks:
    """The questions, in the order in which a person would mend the answers."""

    def __init__(
        self,
        dsn: str,
        catalogue: Catalogue,
        publication: str,
        slot: str,
        tables: TableNames,
        *,
        create: bool,
        pause: Callable[[float], bool],
    ) -> None:
        self._pause = pause
        self._where = wire.place(dsn)
        self._catalogue = catalogue
        self._publication, self._slot, self._tables, self._create = publication, slot, tables, create

    def tables_and_slot_fit(self, resume: ResumePoint, flushed: int, grace_seconds: float) -> None:
        """Raise SourceError on the first thing that is wrong. flushed: how far the server's WAL is (an
        LSN)."""
        for table in self._catalogue.tables(self._tables):
            self._table(table)
        self._readable()
        self._publication_fits(resume)
        if resume.position is not None and position_before(flushed) < resume.position:
            raise self._refuse(
                f"the source is at {lsn_text(flushed)}, behind the store's {_stored(resume)}:"
                " it was restored or is another server",
                f"make sure it is the right one, then {_RESNAPSHOT}",
            )
        self.slot_fits(resume, grace_seconds)

    def slot_fits(self, resume: ResumePoint, grace_seconds: float = 0.0) -> None:
        """Raise SourceError unless the slot can continue from `resume`. A slot in use may be our own
        predecessor's, whose end the server has not noticed yet: it gets `grace_seconds`."""
        slot = self._released(grace_seconds)
        if slot is None:
            self._no_slot(resume)
            return
        where = f"replication slot {self._slot}"
        if slot["plugin"] != "pgoutput" or slot["database"] != self._catalogue.server().database:
            raise self._refuse(
                f"{where} belongs to plugin {slot['plugin']} in database {slot['database']}",
                "name another slot in the configuration; this one is not ours",
            )
        if slot["active"]:
            raise SlotInUse(
                f"{where} is in use by server process {slot['active_pid']}", where=self._where,
                remedy="stop the other agent that reads this slot, or name another slot",
            )  # fmt: skip
        if slot.get("two_phase"):
            raise self._refuse(f"{where} is a two-phase slot", "make it without two_phase")
        if resume.position is None:
            return
        if slot.get("wal_status") == "lost" or slot.get("restart_lsn") is None:
            raise self._refuse(
                f"{where} is lost: the server removed WAL it needed",
                f"raise max_slot_wal_keep_size, then {_RESNAPSHOT}",
            )
        if slot["confirmed"] is None or slot["confirmed"] > flush_lsn(resume.position):
            raise self._refuse(
                f"{where} is at {slot['confirmed_flush_lsn']}, ahead of the store at {_stored(resume)}:"
                " changes in between would be lost",
                f"if the store was restored from a backup, {_RESNAPSHOT}; else find who else reads this slot",
            )

    def _released(self, grace_seconds: float) -> dict[str, Any] | None:
        until = time.monotonic() + grace_seconds
        while True:
            slot = self._catalogue.slot(self._slot)
            if slot is None or not slot["active"] or time.monotonic() >= until:
                return slot
            if self._pause(0.05):
                return slot

    def _no_slot(self, resume: ResumePoint) -> None:
        if resume.position is not None:
            raise self._refuse(
                f"replication slot {self._slot} is gone; changes after {_stored(resume)} cannot be had",
                _RESNAPSHOT,
            )
        if not self._create:
            raise self._refuse(f"there is no replication slot {self._slot}", self._dba())

    def server_fits(self, resume: ResumePoint) -> None:
        """Raise SourceError when the server or our role on it is not made for replication."""
        server = self._catalogue.server()
        if server.version < OLDEST:
            raise self._refuse(
                f"the server is PostgreSQL {server.version // 10000}", "PostgreSQL 13 or newer is needed"
            )
        if server.wal_level != "logical":
            raise self._refuse(
                f"wal_level is {server.wal_level}",
                "set wal_level = logical in postgresql.conf and restart the server",
            )
        if server.standby:
            raise self._refuse("the source is a standby", "give the primary's address")
        if not server.may_replicate:
            raise self._refuse("the role may not replicate", "let a DBA run: ALTER ROLE … WITH REPLICATION")
        # A slot made by the DBA exports no snapshot any more; a temporary one lends it (agent.capture.postgres.snapshot).
        one_more = not self._create or not self._catalogue.slot(self._slot)
        if resume.position is None and one_more and server.slots_used >= server.slots_allowed:
            raise self._refuse(
                f"all {server.slots_allowed} replication slots are taken",
                "raise max_replication_slots or drop an unused slot",
            )

    def _table(self, table: CapturedTable) -> None:
        name = f"{table.schema}.{table.table}"
        if table.relation is None:
            raise self._refuse(f"there is no table {name}", "correct the name, or create the table")
        if table.identity == "n":
            raise self._refuse(
                f"table {name} has REPLICA IDENTITY NOTHING: its updates and deletes name no row",
                f"ALTER TABLE {name} REPLICA IDENTITY DEFAULT",
            )
        if not table.has_key:
            raise self._refuse(
                f"table {name} has no primary key that its replica identity could use",
                "add a primary key, or a unique index over NOT NULL columns and REPLICA IDENTITY USING INDEX",
            )

    def _readable(self) -> None:
        names = ([s for s, _ in self._tables], [t for _, t in self._tables])
        refused = [name for (name,) in self._catalogue.ask("unreadable", names)]
        if refused:
            raise self._refuse(
                f"the role may not read {', '.join(refused)}", "GRANT USAGE ON SCHEMA …; GRANT SELECT ON …"
            )

    def _publication_fits(self, resume: ResumePoint) -> None:
        name = f"publication {self._publication}"
        rows = self._catalogue.ask("publication", (self._publication,))
        if not rows:
            self._no_publication(resume)
            return
        row = rows[0][0]
        if row["puballtables"] or self._whole_schemas():
            raise self._refuse(
                f"{name} is FOR ALL TABLES or for a whole schema", f"name the tables: {self._dba()}"
            )
        dropped = [flag for flag in _PUBLISHED if not row[flag]]
        if dropped or row.get("pubgencols", "n") not in ("n", False):
            raise self._refuse(
                f"{name} does not publish what we need ({', '.join(dropped) or 'generated columns'})",
                self._dba(),
            )
        there = {
            (schema, table): rel
            for schema, table, rel in self._catalogue.ask("publication_tables", (self._publication,))
        }
        for (schema, table), rel in there.items():
            if rel.get("prqual") is not None or rel.get("prattrs") is not None:
                raise self._refuse(
                    f"{name} filters rows or columns of {schema}.{table}", "publish the whole table"
                )
        for table in self._catalogue.tables(tuple(key for key in there if key not in self._tables)):
            # Not ours, but its updates would fail because of this publication.
            self._table(table)
        self._lacking(resume, [f"{s}.{t}" for s, t in self._tables if (s, t) not in there])

    def _lacking(self, resume: ResumePoint, missing: list[str]) -> None:
        if not missing:
            return
        what = f"publication {self._publication} lacks {', '.join(missing)}"
        if resume.position is not None:
            # Adding it now would give a table without its past.
            raise self._refuse(f"{what}, so they were not in the snapshot", _RESNAPSHOT)
        if not self._create:
            raise self._refuse(what, self._dba())

    def _no_publication(self, resume: ResumePoint) -> None:
        if resume.position is not None:
            raise self._refuse(
                f"publication {self._publication} is gone, and with it changes since", _RESNAPSHOT
            )
        if not self._create:
            raise self._refuse(f"there is no publication {self._publication}", self._dba())

    def _whole_schemas(self) -> bool:
        if self._catalogue.server().version < 150000:
            return False
        return bool(self._catalogue.ask("publication_schemas", (self._publication,)))

    def _dba(self) -> str:
        return "let a DBA run:\n" + setup_sql(self._publication, self._slot, self._tables)

    def _refuse(self, what: str, remedy: str) -> SourceError:
        return SourceError(what, where=self._where, remedy=remedy)


def _stored(resume: ResumePoint) -> str:
    return lsn_text(flush_lsn(resume.position or 0))
