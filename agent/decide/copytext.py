"""Journal and command rows as lines of PostgreSQL's COPY text format (pure)."""

from __future__ import annotations

from agent.model.entities import CommandRow, JournalRow


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


def journal_line(
    number: int, row: JournalRow, fixed: tuple[str, str, str, str, str], correlation: str
) -> str:
    """fixed: entity, cause, source, mapping, mapping version."""
    entity, cause, source, mapping, version = fixed
    t = row.transaction
    return (
        f"{number}\t{entity}\t{row.entity_id}\t{row.event_type}\t{cause}\t{source}\t{text(row.key)}\t{t.txn_no}\t{t.commit_pos}\t"
        f"{t.xid}\t{t.committed_at.isoformat()}\t{correlation}\t{mapping}\t{version}\t{json_text(row.changes)}\n"
    )


def command_line(number: int, row: CommandRow, event_id: int, source: str, correlation: str) -> str:
    """One line for coexist.command."""
    return (
        f"{number}\t{row.target}\t{row.object}\t{row.entity_id}\t{maybe(row.legal_entity)}\t{row.kind}\t{maybe(row.step)}\t"
        f"{json_text(row.wanted)}\t{json_text(row.refs)}\t{'t' if row.own_change else 'f'}\t{'t' if row.historical else 'f'}\t"
        f"{row.state}\t{text(row.reason)}\t{text(row.rule)}\t{event_id}\t{row.txn_no}\t{source}\t{correlation}\n"
    )
