"""Entity ids are computed, not drawn: the same legacy row has the same id in every store ever built (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha1
from uuid import UUID

from agent.model.ids import EntityText
from agent.model.keys import key_text as key_text

_NAMESPACE = UUID("8c1f6f0e-5f0a-5a57-9d0b-6c0a3d1b7e42").bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def entity_id(entity: str, source: str, key: str, generation: int = 1) -> EntityText:
    """UUIDv5 of (entity, creating source, source key). `generation` tells apart a later entity under a key that its first
    bearer has left by a key change."""
    name = f"{entity}\x1f{source}\x1f{key}" + (f"\x1f#{generation}" if generation > 1 else "")
    # By RFC 9562: version and variant take the place of six bits of the hash. Written out, for it is made for every new row.
    h = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return EntityText(f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}")


def net_moves(
    changes: Iterable[tuple[Sequence[str], Sequence[str]]],
) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Key changes of one table in stream order → where each key of before the batch has gone by its end.

    Chains are followed and swaps kept apart: A→T, B→A, T→B gives A→B and B→A. A row that took a key after its bearer had
    left it is no part of this, wherever it goes.
    """
    origin_of: dict[tuple[str, ...], tuple[str, ...] | None] = {}
    left: set[tuple[str, ...]] = set()
    for old, new in changes:
        at = tuple(old)
        origin = origin_of.pop(at, None if at in left else at)
        if origin is not None:
            left.add(origin)
        origin_of[tuple(new)] = origin
    return [(origin, now) for now, origin in origin_of.items() if origin is not None and origin != now]
