"""The business rules of the tenant: references, frozen documents, posting, periods, settlements."""

from __future__ import annotations

import time
from typing import Any

from sandbox.erp.config import Settings
from sandbox.erp.errors import Refused, infolog
from sandbox.erp.projects import Projects
from sandbox.erp.refusals import dependent, unrelated
from sandbox.erp.schema import SetSchema, cents
from sandbox.erp.sets import CUSTOMERS, HEADERS, LINES, PARTIES, PAYMENTS, SETTLEMENTS
from sandbox.erp.state import Key, Row, State, Unit, canonical

Fields = dict[str, Any]


class Business:
    """Checks what a write means; the shape of its body was checked before."""

    def __init__(self, state: State, settings: Settings) -> None:
        self.state = state
        self.settings = settings
        self.companies = {c.code.upper(): c for c in settings.companies}
        self.terms = {t.upper() for t in settings.terms}
        self.periods: list[tuple[str, str, str, str]] = []  # company, from, to, open|closed; later ones win
        self.create = {
            PARTIES.name: self._party,
            CUSTOMERS.name: self._customer,
            HEADERS.name: self._header_created,
            LINES.name: self._line,
            PAYMENTS.name: self._payment,
            SETTLEMENTS.name: self._settlement,
        }
        self.patch = {
            PARTIES.name: self._party,
            CUSTOMERS.name: self._customer,
            HEADERS.name: self._header_changed,
            LINES.name: self._line,
            PAYMENTS.name: self._frozen_payment,
            SETTLEMENTS.name: self._frozen_payment,
        }
        self.delete = {
            PARTIES.name: self._party_deleted,
            CUSTOMERS.name: self._customer_deleted,
            HEADERS.name: self._header_deleted,
            LINES.name: self._line,
            PAYMENTS.name: self._frozen_payment,
            SETTLEMENTS.name: self._settlement_deleted,
        }
        self.projects = Projects(state, self._home_period_open)
        self.create |= self.projects.create
        self.patch |= self.projects.patch
        self.delete |= self.projects.delete

    def company(self, schema: SetSchema, code: str) -> str:
        """The company's own spelling."""
        found = self.companies.get(code.upper())
        if found is None:
            raise infolog(
                schema.entity,
                f"The value '{code}' in field 'dataAreaId' is not found in the related table "
                "'LegalEntities'.",
            )
        return found.code

    # Each rule gets the key, the fields that are written (all at create, the changed ones at patch, none at
    # delete) and the unit of work.

    def _party(self, key: Key, fields: Fields, unit: Unit) -> None:
        parent = fields.get("ParentPartyNumber")
        if (
            parent
            and parent.upper() != key[0]
            and (parent.upper(),) not in self.state.tables[PARTIES.name].rows
        ):
            raise unrelated(PARTIES, "ParentPartyNumber", parent, PARTIES)

    def _party_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        parties = self.state.tables[PARTIES.name].rows.items()
        if any(row.fields["ParentPartyNumber"].upper() == key[0] and other != key for other, row in parties):
            raise dependent(PARTIES, PARTIES)
        customers = self.state.tables[CUSTOMERS.name].rows.values()
        if any(row.fields["PartyNumber"].upper() == key[0] for row in customers):
            raise dependent(PARTIES, CUSTOMERS)

    def _customer(self, key: Key, fields: Fields, unit: Unit) -> None:
        party = fields.get("PartyNumber")
        if party is not None and (party.upper(),) not in self.state.tables[PARTIES.name].rows:
            raise unrelated(CUSTOMERS, "PartyNumber", party, PARTIES)
        terms = fields.get("PaymentTermsName")
        if terms and terms.upper() not in self.terms:
            raise infolog(
                CUSTOMERS.entity,
                f"The value '{terms}' in field 'PaymentTermsName' is not found in the "
                "related table 'Terms of payment'.",
            )

    def _customer_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        for schema, name in ((HEADERS, "InvoiceAccount"), (PAYMENTS, "CustomerAccount")):
            rows = self.state.tables[schema.name].rows.items()
            if any(other[0] == key[0] and row.fields[name].upper() == key[1] for other, row in rows):
                raise dependent(CUSTOMERS, schema)

    def _account(self, schema: SetSchema, key: Key, name: str, fields: Fields) -> None:
        account = fields.get(name)
        if account is not None and (key[0], account.upper()) not in self.state.tables[CUSTOMERS.name].rows:
            raise unrelated(schema, name, account, CUSTOMERS)

    def _header_created(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._header(key, fields)
        if fields["HistoricalLoad"] == "Yes":
            fields["DocumentStatus"] = "Posted"
            unit.historical.append(key)

    def _header_changed(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._header_deleted(key, fields, unit)
        self._header(key, fields)

    def _header(self, key: Key, fields: Fields) -> None:
        self._account(HEADERS, key, "InvoiceAccount", fields)
        corrected = fields.get("CorrectedInvoiceNumber")
        if corrected and not _posted(self.invoice(key[0], corrected)):
            raise infolog(HEADERS.entity, f"Invoice {corrected} is not posted.")

    def _header_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        header = self.state.tables[HEADERS.name].rows[key]
        if _posted(header):
            raise infolog(
                HEADERS.entity, f"Invoice {header.fields['InvoiceNumber']} is posted and cannot be changed."
            )

    def _line(self, key: Key, fields: Fields, unit: Unit) -> None:
        header = self.state.tables[HEADERS.name].rows.get(key[:2])
        if header is None:
            raise unrelated(LINES, "InvoiceNumber", str(key[1]), HEADERS)
        if _posted(header) and key[:2] not in unit.historical:
            raise infolog(
                LINES.entity, f"Invoice {header.fields['InvoiceNumber']} is posted and cannot be changed."
            )

    def invoice(self, company: str, number: str) -> Row | None:
        """An invoice of a company, draft or posted."""
        return self.state.tables[HEADERS.name].rows.get((company.upper(), number.upper()))

    def finish(self, unit: Unit) -> None:
        """What must hold when a unit of work ends."""
        for key in unit.historical:
            self._total_matches(key, self.state.tables[HEADERS.name].rows[key], "Write")
        self.projects.finish(unit)

    def _total_matches(self, key: Key, header: Row, doing: str) -> None:
        lines = self.state.tables[LINES.name].children(key)
        total, added = (
            cents(header.fields["TotalAmount"]),
            sum(cents(line.fields["LineAmount"]) for line in lines),
        )
        if total != added:
            raise infolog(
                HEADERS.entity,
                f"The total {total / 100:.2f} of invoice {header.fields['InvoiceNumber']} does "
                f"not match the sum {added / 100:.2f} of its lines.",
                doing,
            )

    def post(self, key: Key, header: Row, unit: Unit) -> str:
        """Make a draft final; returns the voucher."""
        fields, doing = header.fields, "Action Post"
        if _posted(header):
            raise infolog(HEADERS.entity, f"Invoice {fields['InvoiceNumber']} is already posted.", doing)
        self._total_matches(key, header, doing)
        self._period_open(HEADERS, fields["dataAreaId"], fields["InvoiceDate"], doing)
        self._offsets(key, header, doing)
        voucher = self._voucher(
            unit, "invoice", fields, fields["InvoiceNumber"], fields["InvoiceDate"], cents(fields["TotalAmount"])
        )
        delta = {"DocumentStatus": "Posted", "VoucherNumber": voucher}
        unit.put(self.state.tables[HEADERS.name], key, self.state.changed(HEADERS, header, delta))
        return voucher

    def _offsets(self, key: Key, header: Row, doing: str) -> None:
        fields = header.fields
        if fields["IsReversal"] != "Yes":
            return
        number, corrected = fields["InvoiceNumber"], fields["CorrectedInvoiceNumber"]
        original = self.invoice(key[0], corrected)
        if (
            original is None
            or not _posted(original)
            or original.fields["InvoiceAccount"].upper() != fields["InvoiceAccount"].upper()
            or original.fields["CurrencyCode"].upper() != fields["CurrencyCode"].upper()
            or cents(original.fields["TotalAmount"]) != -cents(fields["TotalAmount"])
        ):
            raise infolog(HEADERS.entity, f"Reversal {number} does not offset invoice {corrected}.", doing)
        table = self.state.tables[HEADERS.name]
        for other in table.by_value.get(corrected.upper(), ()):
            row = table.rows[other]
            if other[0] == key[0] and other != key and _posted(row) and row.fields["IsReversal"] == "Yes":
                raise infolog(
                    HEADERS.entity,
                    f"Invoice {corrected} is already reversed by {row.fields['InvoiceNumber']}.",
                    doing,
                )

    def _period_open(self, schema: SetSchema, company: str, stamp: str, doing: str = "Write") -> None:
        day, state = stamp[:10], "open"
        for code, first, last, new in self.periods:
            if code.upper() == company.upper() and first <= day <= last:
                state = new
        if state != "open":
            text = f"Fiscal period for date {day} is not open in company {company}. Period closed."
            raise infolog(schema.entity, text, doing)

    def _home_period_open(self, schema: SetSchema, stamp: str) -> None:
        self._period_open(schema, self.settings.default_company, stamp)

    def _voucher(self, unit: Unit, kind: str, fields: Fields, document: str, stamp: str, amount: int) -> str:
        number = self.state.voucher_number()
        unit.vouchers.append(
            (
                number,
                fields["dataAreaId"],
                kind,
                document,
                stamp[:10],
                fields["CurrencyCode"],
                amount,
                time.time(),
            )
        )
        return number

    def _payment(self, key: Key, fields: Fields, unit: Unit) -> None:
        self._account(PAYMENTS, key, "CustomerAccount", fields)
        if fields["HistoricalLoad"] == "Yes":
            return
        self._period_open(PAYMENTS, fields["dataAreaId"], fields["PaymentDate"])
        fields["VoucherNumber"] = self._voucher(
            unit, "payment", fields, fields["JournalNumber"], fields["PaymentDate"], cents(fields["Amount"])
        )

    def _settlement(self, key: Key, fields: Fields, unit: Unit) -> None:
        payment = self.state.tables[PAYMENTS.name].rows.get(key[:2])
        if payment is None:
            raise unrelated(SETTLEMENTS, "JournalNumber", str(key[1]), PAYMENTS)
        if payment.fields["IsReversed"] == "Yes":
            raise _frozen(SETTLEMENTS, key)
        if not _posted(self.invoice(key[0], fields["InvoiceNumber"])):
            raise infolog(SETTLEMENTS.entity, f"Invoice {fields['InvoiceNumber']} is not posted.")
        settled = sum(
            cents(r.fields["SettledAmount"]) for r in self.state.tables[SETTLEMENTS.name].children(key[:2])
        )
        if abs(settled + cents(fields["SettledAmount"])) > abs(cents(payment.fields["Amount"])):
            raise infolog(SETTLEMENTS.entity, "Settlements exceed the payment.")

    def _settlement_deleted(self, key: Key, fields: Fields, unit: Unit) -> None:
        if self.state.tables[PAYMENTS.name].rows[key[:2]].fields["IsReversed"] == "Yes":
            raise _frozen(SETTLEMENTS, key)

    def _frozen_payment(self, key: Key, fields: Fields, unit: Unit) -> None:
        raise _frozen(PAYMENTS, key)

    def reverse(self, key: Key, payment: Row, stamp: str, unit: Unit) -> str:
        """Take a payment back: its settlements go, an opposite voucher comes."""
        fields, doing = payment.fields, "Action Reverse"
        if fields["IsReversed"] == "Yes":
            raise infolog(PAYMENTS.entity, f"Payment {fields['JournalNumber']} is already reversed.", doing)
        voucher = ""
        if fields["HistoricalLoad"] != "Yes":
            self._period_open(PAYMENTS, fields["dataAreaId"], stamp, doing)
            voucher = self._voucher(
                unit, "payment_reversal", fields, fields["JournalNumber"], stamp, -cents(fields["Amount"])
            )
        settlements = self.state.tables[SETTLEMENTS.name]
        for child in list(settlements.by_parent.get(key, ())):
            unit.put(settlements, child, None)
        unit.put(
            self.state.tables[PAYMENTS.name],
            key,
            self.state.changed(PAYMENTS, payment, {"IsReversed": "Yes"}),
        )
        return voucher


def _posted(header: Row | None) -> bool:
    return header is not None and header.fields["DocumentStatus"] == "Posted"


def _frozen(schema: SetSchema, key: Key) -> Refused:
    return infolog(schema.entity, f"Payment {key[1]} is posted and cannot be changed.")


def key_of(schema: SetSchema, fields: Fields) -> Key:
    """The compared key of a record's fields."""
    return canonical(tuple(fields[k] for k in schema.keys))
