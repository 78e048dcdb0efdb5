"""What the comparison sees, and what it must not mistake for a difference."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.compare import Comparison, __main__, compare, render
from sandbox.compare.sides import Side, read_source
from sandbox.legacy.activity import Activity
from sandbox.legacy.book import Size, create, load
from sandbox.legacy.oddities import KINDS, Kind, poison
from tests.integration.sandbox_compare import replica


@dataclass
class Estate:
    """A legacy database and the ERP record that agrees with it."""

    dsn: str
    legacy: psycopg.Connection
    file: Path
    erp: sqlite3.Connection

    def compare(self) -> Comparison:
        return compare(self.dsn, self.file)

    def source(self) -> Side:
        return read_source(self.dsn)[0]

    def document(self, status: str) -> tuple[dict[str, Any], list[Any]]:
        """The first unpaid invoice of a status, with its lines."""
        side = self.source()
        paid = {(a["company"], a["invoice"]) for a in side["allocations"]}
        found = next(
            i for i in side["invoices"] if i["status"] == status and (i["company"], i["number"]) not in paid
        )
        key = (found["company"], found["number"])
        return dict(found), [x for x in side["invoice_lines"] if (x["company"], x["number"]) == key]

    def spoil(self, sql: str, *parameters: object) -> None:
        assert self.erp.execute(sql, parameters).rowcount >= 1


@pytest.fixture
def estate(new_database: str, tmp_path: Path) -> Iterator[Estate]:
    file = tmp_path / "erp.sqlite"
    with psycopg.connect(new_database, autocommit=True) as legacy:
        create(legacy)
        load(legacy, seed=1, size=Size(80, 120))
        erp = replica.empty(file)
        replica.replicate(erp, read_source(new_database)[0])
        yield Estate(new_database, legacy, file, erp)
        erp.close()


def test_a_faultless_copy_balances(estate: Estate) -> None:
    found = estate.compare()
    assert found.differences == ()
    assert {row.entity for row in found.rows} == {
        "customer", "customer_account", "invoice draft", "invoice posted", "payment", "allocation",
    }  # fmt: skip
    assert all(row.equal for row in found.rows)


def test_what_activity_leaves_behind_is_compared_whole(estate: Estate, tmp_path: Path) -> None:
    with Activity(estate.dsn, seed=3) as activity:
        activity.steps(200)
    assert not estate.compare().balanced
    again = replica.empty(tmp_path / "again.sqlite")
    replica.replicate(again, estate.source())
    again.close()
    assert compare(estate.dsn, tmp_path / "again.sqlite").differences == ()


SPOILT: dict[str, tuple[str, str]] = {
    "a missing customer": ("DELETE FROM party WHERE party_number = 'C00000003'", "customer C00000003: missing"),
    "a name": ("UPDATE party SET name = 'X' WHERE party_number = 'C00000003'", "customer C00000003: name is 'X'"),
    "a parent": (
        "UPDATE party SET parent_party_number = 'C00000001' WHERE party_number = 'C00000003'", "C00000003: parent",
    ),
    "a deactivated customer": (
        "UPDATE party SET is_active = 'No' WHERE rowid = (SELECT min(rowid) FROM party WHERE is_active = 'Yes')",
        "active is 'No'",
    ),
    "credit": (
        "UPDATE customer_account SET credit_limit_cents = credit_limit_cents + 1 WHERE rec_id = 4", "credit_limit is",
    ),
    "an account missing": ("DELETE FROM customer_account WHERE rec_id = 5", "account"),
    "a line's amount": ("UPDATE invoice_line SET line_cents = line_cents + 1 WHERE rec_id = 9", "amount is"),
    "a line missing": ("DELETE FROM invoice_line WHERE rec_id = 9", "lines"),
    "a due date": ("UPDATE invoice SET due_date = '2030-01-01' WHERE rec_id = 9", "due_date is '2030-01-01'"),
    "another customer's invoice": (
        "UPDATE invoice SET invoice_account = 'C00000001' WHERE rec_id = 9 AND invoice_account <> 'C00000001'",
        "customer is 'C00000001'",
    ),
    "an invoice missing": ("DELETE FROM invoice WHERE rec_id = 9", "0 times at the ERP"),
    "a payment missing": ("DELETE FROM payment WHERE rec_id = 3", "missing at the ERP"),
    "a payment's amount": ("UPDATE payment SET amount_cents = amount_cents + 1 WHERE rec_id = 3", "missing at the ERP"),
    "a settlement missing": ("DELETE FROM settlement WHERE rec_id = 3", "allocation"),
    "a reversed payment": ("UPDATE payment SET is_reversed = 'Yes' WHERE rec_id = 3", "missing at the ERP"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_copy_is_told_in_words(estate: Estate, name: str) -> None:
    sql, words = SPOILT[name]
    estate.spoil(sql)
    found = estate.compare()
    assert any(words in difference for difference in found.differences), found.differences


def test_the_erps_own_fields_are_not_compared(estate: Estate) -> None:
    estate.spoil("UPDATE party SET primary_email = 'kept@erp.example'")
    assert estate.compare().balanced
    assert not compare(estate.dsn, estate.file, ignored=frozenset()).balanced


def test_a_deleted_customer_may_be_inactive_but_not_active(estate: Estate) -> None:
    replica.insert(estate.erp, "party", party_number="C99", name="gone", is_active="No")
    assert estate.compare().balanced
    estate.spoil("UPDATE party SET is_active = 'Yes' WHERE party_number = 'C99'")
    assert "party C99: active at the ERP, but not in the source" in estate.compare().differences


def test_a_renumbered_customer_keeps_the_number_the_erp_first_learnt(estate: Estate) -> None:
    with Activity(
        estate.dsn, seed=1, weights=["customer_renumber", "draft_renumber"], rolled_back=0
    ) as activity:
        activity.steps(30)
    assert estate.compare().differences == ()


def _correct(estate: Estate, *, void: bool = False, links: str = "original") -> dict[str, Any]:
    """A posted invoice is taken back at the ERP, and comes again unless it is void."""
    document, lines = estate.document("P")
    number = document["number"]
    replica.invoice(estate.erp, document, lines, f"{number}-R1", -1, corrected_invoice_number=number)
    if not void:
        corrects = number if links == "original" else f"{number}-R1"
        replica.invoice(estate.erp, document, lines, f"{number}-C1", corrected_invoice_number=corrects)
    return document


@pytest.mark.parametrize("links", ["original", "reversal"])
def test_a_corrected_invoice_is_its_original_reversal_and_successor(estate: Estate, links: str) -> None:
    document = _correct(estate, links=links)
    assert estate.compare().differences == ()
    estate.spoil("UPDATE invoice SET reference = 'old' WHERE invoice_number = ?", f"{document['number']}-C1")
    assert any("reference is 'old'" in d for d in estate.compare().differences)


def test_a_voided_or_deleted_invoice_nets_to_nothing(estate: Estate) -> None:
    document = _correct(estate, void=True)
    assert any("0 times at the ERP" in d for d in estate.compare().differences)
    key = (document["company"], document["number"])
    estate.legacy.execute("UPDATE fin.arinvh SET sta_cd = 'V' WHERE co_cd = %s AND inv_no = %s", key)
    assert estate.compare().differences == ()
    estate.legacy.execute("DELETE FROM fin.arinvh WHERE co_cd = %s AND inv_no = %s", key)
    assert estate.compare().differences == ()


def test_an_invoice_voided_here_and_standing_there_is_told(estate: Estate) -> None:
    document, _ = estate.document("P")
    key = (document["company"], document["number"])
    estate.legacy.execute("UPDATE fin.arinvh SET sta_cd = 'V' WHERE co_cd = %s AND inv_no = %s", key)
    assert any("void in the source" in d for d in estate.compare().differences)


def test_an_invoice_posted_twice_is_told(estate: Estate) -> None:
    document, lines = estate.document("P")
    replica.invoice(estate.erp, document, lines, "TWICE", corrected_invoice_number=document["number"])
    assert any("posted in the source, 2 times at the ERP" in d for d in estate.compare().differences)


def test_a_draft_here_and_posted_there_is_told(estate: Estate) -> None:
    document, _ = estate.document("D")
    estate.spoil("UPDATE invoice SET document_status = 'Posted' WHERE invoice_number = ?", document["number"])
    assert any("draft in the source, but" in d for d in estate.compare().differences)


def test_a_payment_against_a_corrected_invoice_may_name_any_of_its_documents(estate: Estate) -> None:
    row = estate.erp.execute("SELECT rec_id, data_area_id, invoice_number FROM settlement").fetchone()
    side = estate.source()
    document = dict(next(i for i in side["invoices"] if i["number"] == row[2]))
    lines = [x for x in side["invoice_lines"] if x["number"] == row[2]]
    replica.invoice(estate.erp, document, lines, "R1", -1, corrected_invoice_number=row[2])
    replica.invoice(estate.erp, document, lines, "C1", corrected_invoice_number=row[2])
    estate.spoil("UPDATE settlement SET invoice_number = 'C1' WHERE rec_id = ?", row[0])
    assert estate.compare().differences == ()


def _twice(estate: Estate, table: str) -> None:
    names = [
        r[1]
        for r in estate.erp.execute(f"PRAGMA table_info({table})")
        if r[1] not in ("rec_id", "journal_number")
    ]
    columns = ", ".join(names)
    estate.erp.execute(
        f"INSERT INTO {table} (journal_number, {columns}) SELECT 'CPJ-2', {columns} FROM {table} WHERE rec_id = 3"
    )


def test_a_doubled_payment_is_told_by_its_marker_too(estate: Estate) -> None:
    _twice(estate, "payment")
    said = estate.compare().differences
    assert any("payment marker CX-2" in d for d in said)
    assert any("at the ERP, but not in the source" in d for d in said)


def test_a_doubled_write_is_told_even_when_its_trace_was_reversed(estate: Estate) -> None:
    for n in range(2):
        replica.insert(
            estate.erp, "arrival", at=n, method="POST", entity_set="CustomerPaymentJournals", accepted=1, status=201,
            digest="same",
        )  # fmt: skip
    assert estate.compare().differences == ("CustomerPaymentJournals: the same write was accepted 2 times",)


def test_vouchers_must_be_one_per_posting_of_its_amount(estate: Estate) -> None:
    document, _ = estate.document("P")
    area = "demf" if document["company"] == "DE01" else "usmf" if document["company"] == "US01" else "gbsi"
    number, amount = document["number"], replica.cents(document["total"])
    estate.spoil("UPDATE invoice SET historical_load = 'No' WHERE invoice_number = ?", number)
    assert any("its voucher is not" in d for d in estate.compare().differences)
    voucher: dict[str, Any] = {
        "data_area_id": area,
        "kind": "invoice",
        "document_number": number,
        "amount_cents": amount,
    }
    replica.insert(estate.erp, "voucher", voucher_number="V1", **voucher)
    assert estate.compare().balanced
    replica.insert(estate.erp, "voucher", voucher_number="V2", **voucher)
    assert f"invoice {area}/{number}: 2 vouchers" in estate.compare().differences


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_no_set_survives_is_a_difference_and_no_crash(estate: Estate, kind: Kind) -> None:
    poison(estate.legacy, kind)
    assert len(estate.compare().differences) >= 1


def test_the_table_shows_counts_money_and_what_differs(estate: Estate) -> None:
    estate.spoil("DELETE FROM payment WHERE rec_id = 3")
    text = render(estate.compare(), most=1)
    assert text.splitlines()[0].split() == [
        "entity", "company", "cur", "source", "amount", "target", "amount", "difference",
    ]  # fmt: skip
    assert "-1 / -" in text
    assert "more differences" in text


def test_the_command_ends_with_0_or_4_or_2(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEGACY_DSN", estate.dsn)
    arguments = ["--source-dsn-env", "LEGACY_DSN", "--record", str(estate.file)]
    assert __main__.main(arguments) == 0
    assert "invoice posted" in capsys.readouterr().out
    estate.spoil("DELETE FROM payment WHERE rec_id = 3")
    assert __main__.main(arguments) == 4
    assert __main__.main(["--source-dsn-env", "NO_SUCH", "--record", str(estate.file)]) == 2
    assert __main__.main(["--source-dsn-env", "LEGACY_DSN", "--record", "no-such-file"]) == 2


@pytest.mark.parametrize("module", ["agent", "cdc_config", "canonical"])
def test_the_comparison_imports_nothing_of_the_connector(module: str) -> None:
    folder = Path(__main__.__file__).parent
    texts = [path.read_text() for path in folder.glob("*.py")]
    assert not any(f"import {module}" in text or f"from {module}" in text for text in texts)
