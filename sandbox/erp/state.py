"""The tenant's current state in memory: tables, their indices, and undo for changesets."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson

from sandbox.erp.schema import SetSchema

Key = tuple[Any, ...]
_INDEXED = {"CustomerPaymentJournals": "PaymentReference", "SalesInvoiceHeaders": "CorrectedInvoiceNumber"}


class Row:
    """One record. Never changed in place: a write puts a new Row, so undo is putting the old one back."""

    __slots__ = ("fields", "key_json", "rec_id", "version")

    def __init__(self, fields: dict[str, Any], rec_id: int, version: int, key_json: str) -> None:
        self.fields = fields
        self.rec_id = rec_id
        self.version = version
        self.key_json = key_json


def etag(rec_id: int, version: int) -> str:
    """A weak version token in the vendor's form: opaque, changes with every write."""
    return 'W/"' + b64encode(b"'%d,%d'" % (version, rec_id)).decode() + '"'


def canonical(values: tuple[Any, ...]) -> Key:
    """The key under which a record is found: texts compare case-insensitively."""
    return tuple([v.upper() if v.__class__ is str else v for v in values])


class Table:
    """The records of one entity set in creation order, with the few indices the rules ask for."""

    def __init__(self, schema: SetSchema) -> None:
        self.schema = schema
        self.rows: dict[Key, Row] = {}
        self.by_parent: dict[Key, dict[Key, None]] = {}
        self.by_value: dict[str, dict[Key, None]] = {}
        self.index_field = _INDEXED.get(schema.name)
        self.ordered = True

    def children(self, parent: Key) -> list[Row]:
        """The records whose key is `parent` and one field more."""
        return [self.rows[k] for k in self.by_parent.get(parent, ())]

    def in_order(self) -> dict[Key, Row]:
        """All records in creation order."""
        if not self.ordered:
            self.rows = dict(sorted(self.rows.items(), key=lambda item: item[1].rec_id))
            self.ordered = True
        return self.rows

    def set(self, key: Key, row: Row | None) -> Row | None:
        """Put or remove a record; returns what stood there."""
        old = self.rows.get(key)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row
        if self.schema.parent is not None and (old is None or row is None):
            _file(self.by_parent, key[:-1], key, row is not None)
        if self.index_field is not None:
            self._index(self.index_field, key, old, row)
        return old

    def _index(self, name: str, key: Key, old: Row | None, row: Row | None) -> None:
        before = old.fields[name].upper() if old is not None else ""
        after = row.fields[name].upper() if row is not None else ""
        if before == after:
            return
        if before:
            _file(self.by_value, before, key, False)
        if after:
            _file(self.by_value, after, key, True)


def _file(index: dict[Any, dict[Key, None]], under: Any, key: Key, present: bool) -> None:
    if present:
        index.setdefault(under, {})[key] = None
        return
    entry = index.get(under)
    if entry is not None:
        entry.pop(key, None)
        if not entry:
            del index[under]


class Unit:
    """What is done or undone together: one changeset, or one request outside of any."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.undo: list[tuple[Table, Key, Row | None, Row | None]] = []
        self.historical: list[Key] = []  # documents whose total must match before the unit ends
        self.vouchers: list[tuple[Any, ...]] = []

    def put(self, table: Table, key: Key, row: Row | None) -> None:
        """Write one record, remembering how to take it back."""
        old = table.set(key, row)
        self.undo.append((table, key, old, row))
        self.state.touch(table, old, row)

    def roll_back(self) -> None:
        """Take everything back, newest first."""
        for table, key, old, row in reversed(self.undo):
            if row is None:
                table.ordered = False  # a removed record comes back at the end of the dict
            table.set(key, old)
            self.state.touch(table, row, old)
        self.undo.clear()
        self.vouchers.clear()


class State:
    """All tables and the server's number sequences."""

    def __init__(self, schemas: tuple[SetSchema, ...]) -> None:
        self.tables = {s.name: Table(s) for s in schemas}
        self.dirty: dict[str, dict[int, Row | None]] = {s.table: {} for s in schemas if s.table}
        self.next_rec_id = 5637144576
        self.next_journal = 1
        self.next_voucher = 1
        self.vouchers: list[tuple[Any, ...]] = []  # committed by their unit, not yet recorded

    def touch(self, table: Table, old: Row | None, row: Row | None) -> None:
        """Note what the record file has to learn before the answer is sent."""
        name = table.schema.table
        if not name:
            return
        if row is not None:
            self.dirty[name][row.rec_id] = row
        elif old is not None:
            self.dirty[name][old.rec_id] = None

    def new_row(self, schema: SetSchema, fields: dict[str, Any]) -> Row:
        """A fresh record with its own number and first version."""
        rec_id = self.next_rec_id
        self.next_rec_id += 1
        return self.restored(schema, fields, rec_id, 1)

    def restored(self, schema: SetSchema, fields: dict[str, Any], rec_id: int, version: int) -> Row:
        """A record with a known number and version."""
        if schema.token:
            fields = {"@odata.etag": etag(rec_id, version), **fields}
        key_json = orjson.dumps({k: fields[k] for k in schema.keys}).decode()
        return Row(fields, rec_id, version, key_json)

    def changed(self, schema: SetSchema, row: Row, delta: dict[str, Any]) -> Row:
        """The next version of a record."""
        version = row.version + 1
        fields = {**row.fields, **delta}
        if schema.token:
            fields["@odata.etag"] = etag(row.rec_id, version)
        return Row(fields, row.rec_id, version, row.key_json)

    def voucher_number(self) -> str:
        """The next number of the ledger's voucher series."""
        number = f"ARV-{self.next_voucher:08d}"
        self.next_voucher += 1
        return number
