"""Refusals and the vendor's error body."""

from __future__ import annotations

import orjson

ODATA_TYPE = "Microsoft.OData.ODataException"
INFOLOG_TYPE = "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataErrorException"


class Refused(Exception):
    """A request that is answered with an error; nothing of it is done."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        message: str = "An error has occurred.",
        kind: str = INFOLOG_TYPE,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.message = message
        self.kind = kind
        self.headers = headers

    def body(self) -> bytes:
        """The JSON error body."""
        return error_body(self.detail, self.message, self.kind)


class MalformedBatch(Refused):
    """A $batch that cannot be read as one: refused whole."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail, message="The batch request is invalid.", kind=ODATA_TYPE)


def error_body(detail: str, message: str = "An error has occurred.", kind: str = INFOLOG_TYPE) -> bytes:
    """The vendor's error shape."""
    inner = {"message": detail, "type": kind, "stacktrace": ""}
    return orjson.dumps({"error": {"code": "", "message": message, "innererror": inner}})


def payload(detail: str) -> Refused:
    """The body does not fit the type."""
    return Refused(400, f"payload : {detail}", message="The request is invalid.", kind=ODATA_TYPE)


def url(detail: str) -> Refused:
    """The URL cannot be understood."""
    return Refused(400, detail, message="The request URL is invalid.", kind=ODATA_TYPE)


def no_resource(target: str) -> Refused:
    """Unknown set, path, action or record."""
    return Refused(
        404, f"No HTTP resource was found that matches the request URI '{target}'.", kind=ODATA_TYPE
    )


def not_found(entity: str) -> Refused:
    """No record has that key (in this company)."""
    return Refused(
        404,
        f"Resource not found for the segment '{entity}'. No resources were found when selecting for update.",
    )


def infolog(entity: str, text: str, doing: str = "Write") -> Refused:
    """A business refusal in the vendor's words."""
    return Refused(400, f"{doing} failed for table row of type '{entity}'. Infolog: Error: {text}")
