"""One scale for every position: the start of the commit record.

A transaction's position is the LSN at which its commit record *starts* (BEGIN already carries it, so that
slices of an unfinished transaction have it too). "Position P is durable" means: every transaction whose
commit record starts at or before P is. PostgreSQL speaks of the byte *after* what is done:
confirmed_flush_lsn F means that commits starting before F are not wanted again. So F = P + 1 and P = F - 1,
everywhere, without exception.

The off-by-one is not pedantry. Interleaved transactions write their commit records back to back: the second
may start exactly where the first ends. Were the end of a commit record (or a keepalive's end of WAL) stored
as a position and compared with "commit position > stored", that second transaction would be lost.
"""

from __future__ import annotations

from agent.model.ids import CommitPos


def lsn_text(lsn: int) -> str:
    """An LSN as PostgreSQL writes it: 16/B374D848."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """The integer behind PostgreSQL's text form. Raises ValueError on anything else."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(f"not an LSN: {text!r}")
    return int(high, 16) << 32 | int(low, 16)


def position_before(lsn: int) -> CommitPos:
    """The position that says: everything before `lsn` is done (a keepalive, a consistent point, a confirmed
    flush)."""
    return CommitPos(max(lsn - 1, 0))


def flush_lsn(position: int) -> int:
    """What PostgreSQL is told when `position` is durable; also where the stream is started again."""
    return position + 1
