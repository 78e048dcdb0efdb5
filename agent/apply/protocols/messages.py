"""What goes over the wire, as plain data: one request or answer, of a batch or of the connection."""

from __future__ import annotations

from typing import NamedTuple


class Operation(NamedTuple):
    """One request: `path` is relative to the service root and percent-encoded."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Answer(NamedTuple):
    """One answer. Header names are in lower case. complete: the body arrived whole."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool = True
