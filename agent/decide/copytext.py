"""Journal and command rows as lines of PostgreSQL's COPY text format (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from agent.model.entities import CommandRow, JournalRow, Transaction


def text(value: str) -> str:
    """A text escaped for COPY."""
    if "\\" in value or "\t" in value or "\n" in value or "\r" in value:
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return value


def maybe(value: str | None) -> str:
    """A text or NULL."""
    return "\\N" if value is None else text(value)


def json_text(value: bytes) -> str:
    """JSON bytes escaped for COPY; JSON itself escapes control characters."""
    return (value.replace(b"\\", b"\\\\") if b"\\" in value else value).decode()


class Lines:
    """Makes the lines of one batch: what its rows share is written once per mapping and transaction."""

    def __init__(
        self, transactions: Mapping[int, Transaction], source: str, fixed: tuple[str, str, str, str]
    ) -> None:
        """fixed: entity, cause, mapping, mapping version."""
        entity, cause, mapping, version = map(text, fixed)
        self._journal: dict[int, str] = {}
        self._command: dict[int, str] = {}
        for t in transactions.values():
            correlation = text(f"{source}:{t.incarnation}:{t.xid}:{t.commit_pos:X}")
            self._journal[t.txn_no] = (
                f"\t{t.txn_no}\t{t.commit_pos}\t{t.xid}\t{t.committed_at.isoformat()}\t{correlation}"
                f"\t{entity}\t{cause}\t{text(source)}\t{mapping}\t{version}\n"
            )
            self._command[t.txn_no] = f"\t{t.txn_no}\t{text(source)}\t{correlation}\n"

    def journal(self, number: int, row: JournalRow) -> str:
        """One line for coexist.journal, in the order of `copy_journal`."""
        return (
            f"{number}\t{row.entity_id}\t{row.event_type}\t{text(row.key)}\t{json_text(row.changes)}"
            f"{self._journal[row.transaction.txn_no]}"
        )

    def command(self, number: int, row: CommandRow, event_id: int) -> str:
        """One line for coexist.command, in the order of `copy_commands`."""
        return (
            f"{number}\t{event_id}\t{row.target}\t{row.object}\t{row.entity_id}\t{maybe(row.legal_entity)}\t{row.kind}\t"
            f"{maybe(row.step)}\t{json_text(row.wanted)}\t{json_text(row.refs)}\t{'t' if row.own_change else 'f'}\t"
            f"{'t' if row.historical else 'f'}\t{row.state}\t{text(row.reason)}\t{text(row.rule)}{self._command[row.txn_no]}"
        )
