"""A target profile: what a cloud system's objects are called, keyed by, limited to and answer. Data, not
code."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cdc_config.base import ConfigModel


class FieldProfile(ConfigModel):
    """One canonical field as the target has it.

    native: its name there. type: how its value is written. max_length, scale, digits (before the point),
    upper: normalisation; a text that is too long or a number with more decimals than `scale` is an exception,
    never cut. values: canonical → native codes; a value not listed is an exception (mapping_missing).
    reference: the object whose external key is meant by this field's value. clear: what null is sent as:
    `null` (JSON null), `empty` (""), `zero` (0), `omit` (never sent as null). negated: changes its sign in a
    reversal.
    """

    native: str
    type: Literal["text", "decimal", "integer", "boolean", "date", "yes_no"] = "text"
    max_length: int | None = None
    scale: int | None = None
    upper: bool = False
    values: dict[str, str] | None = None
    reference: str | None = None
    deferrable: bool = False
    digits: int | None = None
    clear: Literal["null", "empty", "zero", "omit"] = "null"
    negated: bool = False


class Protection(ConfigModel):
    """What the target enforces for an object; the truth about how exactly-once is had.

    key: a second create with the same external key is refused. token: an update with a stale version is
    refused. marker: native field that carries our marker and can be searched, for objects whose key the
    server assigns.
    """

    key: bool
    token: bool = False
    marker: str | None = None


class ChildProfile(ConfigModel):
    """The lines of a document: their own entity set, keyed by the header's key plus the line's.

    key: native line key field → "header:<native header field>" or "line:<canonical line field>". navigation:
    native list property of the header under which the lines are read. inline: they are also created there
    (deep insert), not by writes of their own. replace: a changed line is deleted and created anew, never
    patched.
    """

    field: str  # canonical list field: "lines", "allocations"
    entity_set: str
    key: dict[str, str]
    fields: dict[str, FieldProfile]
    navigation: str
    inline: bool = False
    replace: bool = False


class ObjectProfile(ConfigModel):
    """One canonical object at the target.

    key: native key field → template over canonical fields, such as "{legal_entity}" or "{external_number}";
    key_max_length, key_upper: what the key fields hold. server_key: native field in which the server returns
    the number it assigned (then `key` has the rest of the key). status_field, status_values: native field
    and its values that say draft, posted or deleted (reversed). post_action: bound action that makes a draft
    final. reverse_action: bound action that undoes a posted document where no reversal document is made.
    historical_field: load flag, set to its value for documents loaded without posting. corrects_field links
    a reversal or successor to what it corrects; reversal_field marks a reversal. deactivate: native
    field/value an owner's delete sets.
    """

    entity_set: str
    key: dict[str, str]
    key_max_length: dict[str, int] = Field(default_factory=dict)
    key_upper: tuple[str, ...] = ()
    server_key: str | None = None
    protection: Protection
    fields: dict[str, FieldProfile]
    children: ChildProfile | None = None
    legal_entity_field: str | None = None  # native field that scopes a record to a legal entity (dataAreaId)
    status_field: str | None = None
    status_values: dict[str, str] = Field(default_factory=dict)  # native value → draft|posted
    post_action: str | None = None
    reverse_action: str | None = None
    historical_field: tuple[str, str] | None = None
    corrects_field: str | None = None
    reversal_field: tuple[str, str] | None = None
    deactivate: tuple[str, str] | None = None
    batch: int = 100
    requires: tuple[str, ...] = ()


class ErrorRule(ConfigModel):
    """One row of the error table; the first match decides. code and message are regular expressions."""

    status: int | None = None
    code: str | None = None
    message: str | None = None
    then: Literal["retry", "conflict", "park", "stop", "exists", "gone", "unknown", "done"]
    name: str  # stable code of ours: period_closed, throttled, duplicate, validation, …
    remedy: str = ""


class Limits(ConfigModel):
    """What the target allows: requests in flight, requests per window, calls in one request, and how long one
    request may still work after we gave up.
    """

    concurrency: int = 8
    requests: int | None = None  # per window_seconds
    window_seconds: float = 1.0
    batch: int = 200  # calls in one request
    operations: int = 1000  # operations in one request; a document counts its lines
    timeout_seconds: float = 30.0
    longest_processing_seconds: float = 30.0


class Profile(ConfigModel):
    """A cloud system as the connector sees it."""

    name: str
    protocol: Literal["odata_v4"]
    path: str = "/data"
    cross_company: bool = False
    tenant_path: str | None = None  # where the tenant tells its id …
    tenant_field: str = "TenantId"  # … in this field of the first row
    action_namespace: str = "Microsoft.Dynamics.DataEntities"  # before the names of bound actions
    tenant_header: str | None = None  # header that names the tenant on every answer
    objects: dict[str, ObjectProfile]
    errors: tuple[ErrorRule, ...]
    limits: Limits = Limits()
