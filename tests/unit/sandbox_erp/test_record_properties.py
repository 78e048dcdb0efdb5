"""Whatever is sent, the record file and the answers agree: a sandbox restored from its file is the one that wrote it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.erp.config import Settings
from sandbox.erp.faults import Faults
from sandbox.erp.service import Context, Service
from sandbox.erp.writes import Operation
from tests.unit.sandbox_erp.client import changeset, multipart, op, rows

CONTEXT = Context("1", "test", 0.0)
NUMBERS = st.sampled_from(["A", "a", "B", "C"])
COMPANY = {"dataAreaId": "usmf"}
INVOICE = "SalesInvoiceHeaders(dataAreaId='usmf',InvoiceNumber='%s')"
CENTS = st.integers(-300, 300).map(lambda n: n / 100)


def party(number: str, parent: str, name: str) -> tuple[str, str, Any]:
    return "POST", "Parties", {"PartyNumber": number, "Name": name, "ParentPartyNumber": parent}


def account(number: str, of: str) -> tuple[str, str, Any]:
    doc = {"CustomerAccount": number, "PartyNumber": of, "SalesCurrencyCode": "USD"}
    return "POST", "CustomersV3", COMPANY | doc


def invoice(number: str, of: str, total: float, load: str, corrected: str) -> tuple[str, str, Any]:
    doc = {"InvoiceNumber": number, "InvoiceAccount": of, "InvoiceDate": "2024-01-01", "CurrencyCode": "USD"}
    more = {"TotalAmount": total, "HistoricalLoad": load, "CorrectedInvoiceNumber": corrected}
    return "POST", "SalesInvoiceHeaders", COMPANY | doc | more


def line(number: str, at: int, amount: float) -> tuple[str, str, Any]:
    doc = {"InvoiceNumber": number, "LineNumber": at, "LineAmount": amount}
    return "POST", "SalesInvoiceLines", COMPANY | doc


def payment(of: str, amount: float, settled: list[tuple[str, float]]) -> tuple[str, str, Any]:
    doc = {"CustomerAccount": of, "PaymentDate": "2024-02-01", "CurrencyCode": "USD", "Amount": amount}
    settlements = [{"InvoiceNumber": n, "SettledAmount": a} for n, a in settled]
    return "POST", "CustomerPaymentJournals", COMPANY | doc | {"Settlements": settlements}


def sheet(number: str, of: str, total: float, status: str) -> tuple[str, str, Any]:
    doc = {"TimesheetNumber": number, "ProjectID": of, "ResourceID": "R", "PeriodStartDate": "2024-03-04"}
    return "POST", "TimesheetHeaders", doc | {"TotalHours": total, "ApprovalStatus": status}


def hours(number: str, at: int, figure: float) -> tuple[str, str, Any]:
    return "POST", "TimesheetLines", {"TimesheetNumber": number, "LineNumber": at, "Hours": figure}


STATUS = st.sampled_from(["Draft", "Approved", "Cancelled"])
YES = st.sampled_from(["Yes", "No", "No"])
EMPTY = st.sampled_from(["", "", "A"])
OPERATIONS = st.one_of(
    st.builds(party, NUMBERS, st.sampled_from(["", "A", "B"]), st.text(max_size=4)),
    st.builds(account, NUMBERS, NUMBERS),
    st.builds(invoice, NUMBERS, NUMBERS, CENTS | st.just(0.0), YES, EMPTY),
    st.builds(line, NUMBERS, st.integers(0, 2), CENTS),
    st.builds(payment, NUMBERS, CENTS, st.lists(st.tuples(NUMBERS, CENTS), max_size=2)),
    st.builds(sheet, NUMBERS, NUMBERS, CENTS | st.just(0.0), STATUS),
    st.builds(hours, NUMBERS, st.integers(0, 2), CENTS),
    st.builds(lambda n, v: ("PATCH", f"TimesheetHeaders('{n}')", {"ApprovalStatus": v}), NUMBERS, STATUS),
    NUMBERS.map(lambda n: ("DELETE", f"TimesheetHeaders('{n}')", None)),
    NUMBERS.map(lambda n: ("POST", INVOICE % n + "/Microsoft.Dynamics.DataEntities.Post", None)),
    st.builds(lambda n, v: ("PATCH", f"Parties('{n}')", {"Name": v}), NUMBERS, st.text(max_size=3)),
    st.builds(lambda n, v: ("PATCH", INVOICE % n, {"TotalAmount": v}), NUMBERS, CENTS),
    NUMBERS.map(lambda n: ("DELETE", f"Parties('{n}')", None)),
    NUMBERS.map(lambda n: ("DELETE", INVOICE % n, None)),
    st.integers(1, 3).map(
        lambda n: (
            "POST",
            f"CustomerPaymentJournals(dataAreaId='usmf',JournalNumber='CPJ-{n:08d}')/"
            "Microsoft.Dynamics.DataEntities.Reverse",
            None,
        )
    ),
)
PARTS = st.lists(OPERATIONS | st.lists(OPERATIONS, min_size=1, max_size=5), min_size=1, max_size=25)


def part(operation: Any, number: int = 1) -> bytes:
    method, target, doc = operation
    return op(method, target, doc, str(number), If_Match="*")


def books(service: Service) -> dict[str, Any]:
    return {
        name: [(key, row.fields, row.version) for key, row in table.in_order().items()]
        for name, table in service.state.tables.items()
    }


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_a_restored_sandbox_is_the_one_that_wrote_the_record(parts: list[Any]) -> None:
    parts = [party("A", "", "a"), account("A", "A"), ("POST", "Projects", {"ProjectID": "A", "Name": "a"}), *parts]
    with tempfile.TemporaryDirectory() as directory:
        record = Path(directory) / "erp.sqlite"
        service = Service(Settings(record=record, client_secret="x"), Faults())
        body = multipart(
            [changeset(*map(part, p, range(len(p)))) if isinstance(p, list) else part(p) for p in parts],
            "outer",
        )
        headers = {"content-type": "multipart/mixed; boundary=outer", "prefer": "odata.continue-on-error"}
        assert service.handle(Operation("POST", "/data/$batch", headers, body), CONTEXT)[0] == 200
        written, counts = books(service), (service.arrivals, service.effects)
        numbers = service.state.next_voucher
        service.close()
        again = Service(Settings(record=record, client_secret="x"), Faults())
        assert books(again) == written
        assert (again.arrivals, again.effects) == counts
        assert again.state.next_voucher <= numbers
        again.close()
        check_ledger(record)


def check_ledger(record: Path) -> None:
    """Hand-written SQL: posted invoices and approved time sheets carry the sum of their lines, and the ledger says the same."""
    unequal = """SELECT i.invoice_number FROM invoice i WHERE document_status = 'Posted' AND total_cents <>
                 (SELECT coalesce(sum(l.line_cents), 0) FROM invoice_line l
                  WHERE upper(l.invoice_number) = upper(i.invoice_number))"""
    assert rows(record, unequal) == []
    wrong = """SELECT s.timesheet_number FROM timesheet s WHERE approval_status = 'Approved' AND total_hours_hundredths <>
               (SELECT coalesce(sum(l.hours_hundredths), 0) FROM timesheet_line l
                WHERE upper(l.timesheet_number) = upper(s.timesheet_number))"""
    assert rows(record, wrong) == []
    posted = "SELECT coalesce(sum(total_cents), 0) FROM invoice WHERE voucher_number <> ''"
    assert rows(record, posted) == rows(
        record, "SELECT coalesce(sum(amount_cents), 0) FROM voucher WHERE kind = 'invoice'"
    )
    standing = "SELECT coalesce(sum(amount_cents), 0) FROM payment WHERE is_reversed = 'No'"
    assert rows(record, standing) == rows(
        record, "SELECT coalesce(sum(amount_cents), 0) FROM voucher WHERE kind LIKE 'payment%'"
    )
    assert rows(record, "SELECT count(*) FROM effect WHERE method = 'Post'") == rows(
        record, "SELECT count(*) FROM voucher WHERE kind = 'invoice'"
    )


def test_the_error_body_has_the_vendors_shape() -> None:
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Settings(record=Path(directory) / "r", client_secret="x"), Faults())
        status, _, body = service.handle(Operation("POST", "/data/Nothing", {}, b"{}"), CONTEXT)
        service.close()
    error = orjson.loads(body)["error"]
    assert (status, error["code"], error["innererror"]["stacktrace"]) == (404, "", "")
