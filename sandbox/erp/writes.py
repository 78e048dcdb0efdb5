"""POST, PATCH, DELETE and actions: the shape of a write, its preconditions, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from sandbox.erp.business import Business, key_of
from sandbox.erp.config import Settings
from sandbox.erp.errors import ODATA_TYPE, Refused, infolog, no_resource, not_found, payload, url
from sandbox.erp.reads import JSON, Answer
from sandbox.erp.schema import SetSchema, compile_check
from sandbox.erp.sets import HEADERS, PAYMENTS, SETTLEMENTS, WRITABLE
from sandbox.erp.state import Key, Row, State, Unit
from sandbox.erp.target import Target

_WRITABLE = frozenset(s.name for s in WRITABLE)
_NO_MATCH = "The If-Match header is required for updating or deleting a record of this entity set."


@dataclass(slots=True)
class Operation:
    """One request as it came, outer or a part of a batch. `target` and `key_json` are filled in."""

    method: str
    raw: str
    headers: dict[str, str]
    body: bytes
    content_id: str | None = None
    in_batch: bool = False
    target: Target | None = None
    key_json: str | None = None
    doc: dict[str, Any] | None = field(default=None, repr=False)

    def header(self, name: str) -> str:
        """A header by its lower-case name, or empty."""
        return self.headers.get(name, "")


class Writer:
    """Performs one write inside a unit of work."""

    def __init__(self, state: State, settings: Settings, business: Business, base: str) -> None:
        self.state = state
        self.settings = settings
        self.business = business
        self.base = base
        self.default_company = settings.default_company.upper()
        self._reversal_date = compile_check(
            PAYMENTS.by_name["PaymentDate"], PAYMENTS.type_name, PAYMENTS.entity
        )

    def perform(self, op: Operation, target: Target, unit: Unit) -> Answer:
        """Do it, or raise Refused with nothing done that the unit cannot take back."""
        schema, method = target.schema, op.method
        if schema is None:
            raise no_resource(op.raw)
        if not target.query.only_company:
            raise url("Only the query option 'cross-company' applies to writes.")
        if target.values is not None:
            op.key_json = orjson.dumps(dict(zip(schema.keys, target.values, strict=True))).decode()
        if schema.name not in _WRITABLE:
            raise _not_allowed(method, schema)
        if target.action is not None:
            return self._act(op, target, schema, unit)
        if method == "PATCH" and target.key is not None:
            return self._patch(op, target, schema, target.key, unit)
        if method == "POST" and target.key is None:
            return self._create(op, schema, unit)
        if method == "DELETE" and target.key is not None:
            return self._delete(op, target, schema, target.key, unit)
        raise _not_allowed(method, schema)

    def _existing(
        self, op: Operation, target: Target, schema: SetSchema, key: Key, optional: bool = False
    ) -> Row:
        row = self.state.tables[schema.name].rows.get(key)
        if row is None or (
            schema.company and not target.query.cross_company and key[0] != self.default_company
        ):
            raise not_found(schema.name)
        op.key_json = row.key_json
        if schema.token:
            wanted = op.headers.get("if-match")
            if wanted is None:
                if not optional:
                    raise Refused(428, _NO_MATCH, message="Precondition required.", kind=ODATA_TYPE)
            elif wanted != row.fields["@odata.etag"] and wanted != "*" and not _among(wanted, row):
                raise Refused(
                    412,
                    "The record was changed by another user since it was read; the If-Match "
                    "precondition failed.",
                    message="Precondition failed.",
                    kind=ODATA_TYPE,
                )
        return row

    def _patch(self, op: Operation, target: Target, schema: SetSchema, key: Key, unit: Unit) -> Answer:
        row = self._existing(op, target, schema, key)
        checks, delta = schema.patch_checks, {}
        for name, value in _document(op).items():
            check = checks.get(name)
            if check is not None:
                delta[name] = check(value)
            else:
                _unusual(schema, name, value, row)
        self.business.patch[schema.name](key, delta, unit)
        changed = self.state.changed(schema, row, delta)
        unit.put(self.state.tables[schema.name], key, changed)
        headers = [("ETag", changed.fields["@odata.etag"])] if schema.token else []
        if "return=representation" in op.header("prefer"):
            return 200, [JSON, *headers], self._representation(schema, changed)
        return 204, headers, b""

    def _delete(self, op: Operation, target: Target, schema: SetSchema, key: Key, unit: Unit) -> Answer:
        self._existing(op, target, schema, key)
        self.business.delete[schema.name](key, {}, unit)
        unit.put(self.state.tables[schema.name], key, None)
        for name in schema.navigation.values():
            lines = self.state.tables[name]
            for child in list(lines.by_parent.get(key, ())):
                unit.put(lines, child, None)
        return 204, [], b""

    def _create(self, op: Operation, schema: SetSchema, unit: Unit) -> Answer:
        doc = _document(op)
        nested = doc.pop("Settlements", None) if schema is PAYMENTS else None
        fields = self._checked(op, schema, doc)
        row = self._insert(op, schema, fields, unit)
        if nested is not None:
            self._settle(fields, nested, unit)
        return self._created(op, schema, row)

    def _checked(self, op: Operation, schema: SetSchema, doc: dict[str, Any]) -> dict[str, Any]:
        checks, fields = schema.create_checks, dict(schema.defaults)
        if schema.company and "dataAreaId" not in doc:
            doc["dataAreaId"] = self.settings.default_company
        if schema.server_key is None and all(k in doc for k in schema.keys):
            op.key_json = orjson.dumps({k: doc[k] for k in schema.keys}).decode()
        for name, value in doc.items():
            check = checks.get(name)
            if check is not None:
                fields[name] = check(value)
            else:
                _unusual(schema, name, value, None)
        for spec in schema.fields:
            if spec.required and spec.name not in doc:
                raise infolog(schema.entity, f"Field '{spec.name}' must be filled in.")
        return fields

    def _insert(self, op: Operation, schema: SetSchema, fields: dict[str, Any], unit: Unit) -> Row:
        if schema.company:
            fields["dataAreaId"] = self.business.company(schema, fields["dataAreaId"])
        if schema.server_key is not None:
            fields[schema.server_key] = f"CPJ-{self.state.next_journal:08d}"
            self.state.next_journal += 1
        key, table = key_of(schema, fields), self.state.tables[schema.name]
        if key in table.rows:
            shown = ", ".join(f"{k}: {fields[k]}" for k in schema.keys)
            raise infolog(
                schema.entity, f"Cannot create a record in {schema.name}. {shown}. The record already exists."
            )
        self.business.create[schema.name](key, fields, unit)
        row = self.state.new_row(schema, fields)
        op.key_json = row.key_json
        unit.put(table, key, row)
        return row

    def _settle(self, payment: dict[str, Any], nested: Any, unit: Unit) -> None:
        if nested.__class__ is not list or not all(item.__class__ is dict for item in nested):
            raise payload("The property 'Settlements' must be a collection of 'CustomerPaymentSettlement'.")
        for item in nested:
            inner = Operation("POST", SETTLEMENTS.name, {}, b"")
            for name in item:
                if name not in ("InvoiceNumber", "SettledAmount") and not name.startswith("@"):
                    raise _unknown(SETTLEMENTS, name)
            whole = {**item, "dataAreaId": payment["dataAreaId"], "JournalNumber": payment["JournalNumber"]}
            self._insert(inner, SETTLEMENTS, self._checked(inner, SETTLEMENTS, whole), unit)

    def _created(self, op: Operation, schema: SetSchema, row: Row) -> Answer:
        location = self.location(schema, row)
        headers = [("Location", location)]
        if schema.token:
            headers.append(("ETag", row.fields["@odata.etag"]))
        if "return=minimal" in op.header("prefer"):
            return 204, [("OData-EntityId", location), *headers], b""
        return 201, [JSON, *headers], self._representation(schema, row)

    def _representation(self, schema: SetSchema, row: Row) -> bytes:
        return orjson.dumps(
            {"@odata.context": f"{self.base}/data/$metadata#{schema.name}/$entity", **row.fields}
        )

    def location(self, schema: SetSchema, row: Row) -> str:
        """The record's own URL."""
        parts = []
        for name in schema.keys:
            value = row.fields[name]
            shown = (
                "'" + quote(value.replace("'", "''"), safe="'") + "'"
                if value.__class__ is str
                else str(value)
            )
            parts.append(f"{name}={shown}")
        return f"{self.base}/data/{schema.name}({','.join(parts)})"

    def _act(self, op: Operation, target: Target, schema: SetSchema, unit: Unit) -> Answer:
        if op.method != "POST" or target.key is None:
            raise _not_allowed(op.method, schema)
        row = self._existing(op, target, schema, target.key, optional=True)
        arguments = _document(op) if op.body.strip() else {}
        for name in arguments:
            if not (schema is PAYMENTS and name == "ReversalDate"):
                raise payload(f"The parameter '{name}' is not defined by the action '{target.action}'.")
        if schema is HEADERS:
            voucher = self.business.post(target.key, row, unit)
        else:
            stamp = arguments.get("ReversalDate", row.fields["PaymentDate"])
            voucher = self.business.reverse(target.key, row, self._reversal_date(stamp), unit)
        after = self.state.tables[schema.name].rows[target.key]
        headers = [JSON, ("ETag", after.fields["@odata.etag"])] if schema.token else [JSON]
        return (
            200,
            headers,
            orjson.dumps({"@odata.context": f"{self.base}/data/$metadata#Edm.String", "value": voucher}),
        )


def _among(wanted: str, row: Row) -> bool:
    return row.fields["@odata.etag"] in [part.strip() for part in wanted.split(",")]


def _document(op: Operation) -> dict[str, Any]:
    if "application/json" not in op.headers.get("content-type", ""):
        raise Refused(415, "The request must have the Content-Type application/json.", kind=ODATA_TYPE)
    try:
        doc = orjson.loads(op.body)
    except ValueError as error:
        raise payload(f"The body is not valid JSON: {error}.") from None
    if doc.__class__ is not dict:
        raise payload("The body must be one JSON object.")
    op.doc = doc
    return doc


def _unusual(schema: SetSchema, name: str, value: Any, row: Row | None) -> None:
    """A property without a check here: an annotation, a key, a read-only or an unknown one."""
    if name.startswith("@"):
        return
    spec = schema.by_name.get(name)
    if spec is None:
        raise _unknown(schema, name)
    if row is not None and name in schema.keys:
        same = (
            value.upper() == row.fields[name].upper()
            if isinstance(value, str) and spec.kind == "text"
            else value == row.fields[name]
        )
        if same:
            return
        raise payload(f"The key property '{name}' cannot be changed.")
    if row is not None and spec.access == "co" and value == row.fields[name]:
        return
    if row is not None and spec.access == "co":
        raise infolog(schema.entity, f"Field '{name}' can only be set when the record is created.")
    raise infolog(schema.entity, f"Field '{name}' is read-only.")


def _unknown(schema: SetSchema, name: str) -> Refused:
    return payload(
        f"The property '{name}' does not exist on type 'Microsoft.Dynamics.DataEntities.{schema.type_name}'. "
        "Make sure to only use property names that are defined by the type."
    )


def _not_allowed(method: str, schema: SetSchema) -> Refused:
    return Refused(
        405,
        f"The requested resource '{schema.name}' does not support http method '{method}' here.",
        kind=ODATA_TYPE,
    )
