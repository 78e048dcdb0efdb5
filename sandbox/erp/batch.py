"""multipart/mixed batches: taken apart by splitting bytes, put together by joining them."""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus

from sandbox.erp.errors import MalformedBatch, Refused
from sandbox.erp.reads import Answer
from sandbox.erp.writes import Operation

Part = Operation | list[Operation]  # a changeset is a list

_BOUNDARY = re.compile(r'multipart/mixed\s*;.*?\bboundary=("[^"\r\n]{1,70}"|[^\s;",]{1,70})', re.IGNORECASE)
_REQUEST_LINE = re.compile(r"(GET|POST|PATCH|PUT|DELETE|MERGE) (\S+) HTTP/1\.1")
_STATUS_LINE = {
    int(s): f"HTTP/1.1 {int(s)} {s.phrase}\r\nOData-Version: 4.0\r\n".encode() for s in HTTPStatus
}


def parse_batch(content_type: str, body: bytes, limit: int) -> list[Part]:
    """The parts in order; raises MalformedBatch, whose effect is that nothing is done."""
    kind, boundary, _ = _mime_head(b"Content-Type: " + content_type.encode("latin-1", "replace"))
    if kind != "multipart":
        raise MalformedBatch("The Content-Type of a batch must be multipart/mixed with a boundary.")
    parts: list[Part] = []
    count = 0
    for head, content in _split(body, boundary):
        kind, inner, content_id = _mime_head(head)
        if kind == "http":
            parts.append(_operation(content, content_id))
            count += 1
        elif kind == "multipart":
            changeset = _changeset(content, inner)
            parts.append(changeset)
            count += len(changeset)
        else:
            raise MalformedBatch("A part must be application/http or multipart/mixed.")
        if count > limit:
            raise Refused(
                400,
                f"The maximum number of operations allowed in a batch is {limit}.",
                message="The batch request is invalid.",
            )
    return parts


def _split(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    chunks = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(chunks) < 2 or not chunks[-1].startswith(b"--"):
        raise MalformedBatch("The multipart body does not end with its closing boundary.")
    found = []
    for chunk in chunks[1:-1]:
        head, blank, content = chunk.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"\r\n"):
            raise MalformedBatch(
                "A part lacks its headers or the blank line after them; line ends must be CRLF."
            )
        found.append((head[2:], content))
    return found


@lru_cache(maxsize=8192)
def _mime_head(head: bytes) -> tuple[str, bytes, str | None]:
    """(http | multipart | other, boundary, Content-ID) of a part."""
    headers = _headers(head.decode("latin-1").split("\r\n"))
    content_type = headers.get("content-type", "")
    content_id = headers.get("content-id")
    if content_type.lower().startswith("application/http"):
        encoding = headers.get("content-transfer-encoding")
        if encoding is None or encoding.lower() != "binary":
            raise MalformedBatch("A part of type application/http needs Content-Transfer-Encoding: binary.")
        return "http", b"", content_id
    match = _BOUNDARY.match(content_type)
    if match is not None:
        return "multipart", match[1].strip('"').encode("latin-1"), content_id
    return "other", b"", content_id


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedBatch(f"'{line[:60]}' is not a header.")
        headers[name.lower()] = value.strip()
    return headers


def _operation(content: bytes, content_id: str | None) -> Operation:
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise MalformedBatch(f"'{lines[0][:80]}' is not a request line.")
    if lines[-1] == "":
        lines.pop()
    method, raw = match.groups()
    if raw.partition("?")[0].endswith("$batch"):
        raise MalformedBatch("A batch cannot contain a batch.")
    return Operation(method, raw, _headers(lines[1:]), body, content_id, True)


def _changeset(content: bytes, boundary: bytes) -> list[Operation]:
    operations, seen = [], set()
    for head, inner in _split(content, boundary):
        kind, _, content_id = _mime_head(head)
        if kind != "http":
            raise MalformedBatch("A changeset holds application/http parts only.")
        if content_id is None or content_id in seen:
            raise MalformedBatch("Each part of a changeset needs a Content-ID of its own.")
        seen.add(content_id)
        operation = _operation(inner, content_id)
        if operation.method == "GET":
            raise MalformedBatch("A changeset cannot contain a GET.")
        operations.append(operation)
    if not operations:
        raise MalformedBatch("A changeset must hold at least one operation.")
    return operations


def part_bytes(answer: Answer, content_id: str | None) -> bytes:
    """One application/http part without its boundary."""
    status, headers, body = answer
    head = b"\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    if content_id is not None:
        head += b"Content-ID: " + content_id.encode("latin-1") + b"\r\n"
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return (
        head + b"\r\n" + _STATUS_LINE[status] + lines.encode("latin-1", "replace") + b"\r\n" + body + b"\r\n"
    )


def multipart_bytes(parts: list[bytes], boundary: str) -> bytes:
    """Parts, each beginning with CRLF after its boundary, as one body."""
    mark = b"--" + boundary.encode()
    return b"".join([piece for part in parts for piece in (mark, part)]) + mark + b"--\r\n"


def changeset_bytes(parts: list[bytes], boundary: str) -> bytes:
    """A successful changeset's answers as one part without its boundary."""
    return (
        b"\r\nContent-Type: multipart/mixed; boundary="
        + boundary.encode()
        + b"\r\n\r\n"
        + multipart_bytes(parts, boundary)
        + b"\r\n"
    )
