"""OData $batch bodies: built by joining texts, read by splitting bytes, because thousands pass per second.

Every operation carries a Content-ID of ours and answers are told apart by it, never by their order: a
server that stops early, leaves one out or answers a failed changeset with one part cannot make us mistake
one call for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from agent.apply.protocols.messages import Answer, Operation

BOUNDARY = "coexist_batch"
_CHANGESET = "coexist_changeset"
_PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: "
_OPEN = f"Content-Type: multipart/mixed; boundary={_CHANGESET}\r\n\r\n"
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)

CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY}"


class Malformed(ValueError):
    """The answer is not the multipart it should be."""


def build_batch(groups: Iterable[Sequence[Operation]]) -> bytes:
    """One part per group: a single operation as it is, several as a changeset. Content-IDs are
    `<group>.<n>`, from 0.

    Bodies are JSON, which never begins a line with two dashes, so no boundary can occur in one.
    """
    pieces: list[bytes] = []
    for number, group in enumerate(groups):
        pieces.append(f"--{BOUNDARY}\r\n".encode())
        if len(group) == 1:
            pieces += _operation(group[0], number, 0)
            continue
        pieces.append(_OPEN.encode())
        for index, operation in enumerate(group):
            pieces.append(f"--{_CHANGESET}\r\n".encode())
            pieces += _operation(operation, number, index)
        pieces.append(f"--{_CHANGESET}--\r\n".encode())
    pieces.append(f"--{BOUNDARY}--\r\n".encode())
    return b"".join(pieces)


def _operation(operation: Operation, number: int, index: int) -> tuple[bytes, bytes, bytes]:
    headers = "".join([f"{name}: {value}\r\n" for name, value in operation.headers])
    head = f"{_PART}{number}.{index}\r\n\r\n{operation.method} {operation.path} HTTP/1.1\r\n{headers}\r\n"
    return head.encode("latin-1"), operation.body, b"\r\n"


def parse_batch(content_type: str, body: bytes) -> dict[str, Answer]:
    """Answers by Content-ID; raises Malformed when it is no multipart at all.

    A body that was cut off yields the parts that arrived whole. A part that makes no sense, or two with one
    Content-ID, yield nothing for that Content-ID.
    """
    found: dict[str, Answer | None] = {}
    _parse_parts(content_type, body, found)
    return {number: answer for number, answer in found.items() if answer is not None}


def _parse_parts(content_type: str, body: bytes, found: dict[str, Answer | None]) -> None:
    if not content_type.lower().startswith("multipart/mixed"):
        raise Malformed("not multipart/mixed")
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise Malformed("no boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + match[1].encode("latin-1", "replace"))
    if len(parts) < 2:
        raise Malformed("the boundary does not occur")
    for part in parts[1:-1]:  # the last is the end mark, or what was cut off
        if not part.startswith(b"--"):
            _parse_part(part, found)


def _parse_part(part: bytes, found: dict[str, Answer | None]) -> None:
    head, blank, content = part.partition(b"\r\n\r\n")
    headers = _headers(head)
    kind = headers.get("content-type", "")
    if blank and kind.lower().startswith("multipart/mixed"):
        with suppress(Malformed):
            _parse_parts(kind, content, found)
        return
    top, _, body = content.partition(b"\r\n\r\n")
    status_line, _, inner = top.partition(b"\r\n")
    words = status_line.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or len(words[1]) != 3 or not words[1].isdigit():
        return
    own = _headers(inner)
    number = headers.get("content-id") or own.get("content-id", "")
    found[number] = None if number in found else Answer(int(words[1]), own, body.strip())


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers
