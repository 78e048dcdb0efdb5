"""An ERP record written straight into SQLite: what a faultless connector would have left there, to be spoilt by tests."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from sandbox.compare.compare import AREAS
from sandbox.compare.sides import Side


def empty(path: Path) -> sqlite3.Connection:
    """A record file with the sandbox's own schema."""
    text = files("sandbox.erp").joinpath("record.sql").read_text(encoding="utf-8")
    schema = re.split(r"^-- name: \w+$", text, flags=re.M)[1]
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous = OFF")
    conn.execute("PRAGMA journal_mode = MEMORY")
    conn.executescript(schema)
    return conn


def insert(conn: sqlite3.Connection, table: str, **values: Any) -> None:
    """One row; what is not given is empty."""
    for _, name, kind, not_null, default, _ in conn.execute(f"PRAGMA table_info({table})").fetchall():
        if name not in values and not_null and default is None:
            values[name] = "" if kind == "TEXT" else 0
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))


def cents(amount: Decimal) -> int:
    """Money as the record keeps it."""
    return int(amount * 100)


def replicate(conn: sqlite3.Connection, source: Side) -> None:
    """Everything that lives in the source, faultlessly."""
    conn.execute("BEGIN")
    for c in source["customers"]:
        insert(
            conn, "party", party_number=c["number"], parent_party_number=c["parent"], name=c["name"],
            tax_exempt_number=c["tax_number"], city=c["city"], country_region_id=c["country"], segment=c["segment"],
            note=c["note"].strip(), is_active=c["active"],
        )  # fmt: skip
    for a in source["accounts"]:
        insert(
            conn, "customer_account", data_area_id=AREAS[a["company"]], customer_account=a["number"],
            party_number=a["number"], sales_currency_code=a["currency"], payment_terms_name=a["terms"],
            credit_limit_cents=cents(a["credit_limit"]), on_hold=a["on_hold"], is_active="Yes",
        )  # fmt: skip
    lines = defaultdict(list)
    for line in source["invoice_lines"]:
        lines[line["company"], line["number"]].append(line)
    for i in source["invoices"]:
        if i["status"] != "V":
            invoice(conn, i, lines[i["company"], i["number"]])
    _payments(conn, source)
    conn.execute("COMMIT")


def invoice(
    conn: sqlite3.Connection,
    i: dict[str, Any],
    lines: list[Any],
    number: str = "",
    sign: int = 1,
    **more: Any,
) -> None:
    """One document with its lines; sign −1 makes a reversal's amounts."""
    area, name = AREAS[i["company"]], number or i["number"]
    posted = i["status"] == "P"
    values = {
        "data_area_id": area, "invoice_number": name, "invoice_account": i["customer"],
        "invoice_date": i["invoice_date"], "due_date": i["due_date"] or None, "currency_code": i["currency"],
        "total_cents": sign * cents(i["total"]), "reference": i["reference"], "note": i["note"].strip(),
        "is_reversal": "No" if sign > 0 else "Yes", "historical_load": "Yes" if posted else "No",
        "document_status": "Posted" if posted else "Draft",
    }  # fmt: skip
    insert(conn, "invoice", **{**values, **more})
    for line in lines:
        insert(
            conn, "invoice_line", data_area_id=area, invoice_number=name, line_number=line["line"],
            description=line["description"], item_number=line["item"], quantity=sign * float(line["quantity"]),
            unit_price=float(line["price"]), line_cents=sign * cents(line["amount"]),
        )  # fmt: skip


def _payments(conn: sqlite3.Connection, source: Side) -> None:
    journals = {}
    for n, p in enumerate(source["payments"]):
        journal = journals[p["company"], p["number"]] = f"CPJ-{n:08d}"
        insert(
            conn, "payment", data_area_id=AREAS[p["company"]], journal_number=journal, customer_account=p["customer"],
            payment_date=p["paid_on"], currency_code=p["currency"], amount_cents=cents(p["amount"]),
            payment_method=p["method"], payment_reference=f"CX-{n}", historical_load="Yes", is_reversed="No",
        )  # fmt: skip
    for a in source["allocations"]:
        insert(
            conn, "settlement", data_area_id=AREAS[a["company"]], journal_number=journals[a["company"], a["payment"]],
            invoice_number=a["invoice"], settled_cents=cents(a["amount"]),
        )  # fmt: skip
