"""Payments and allocations. The ERP numbers payments itself, so they are matched by what they say, as multisets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.compare.fields import money, normal
from sandbox.compare.invoices import Family
from sandbox.compare.sides import Key, Record, Side

Content = tuple[Any, ...]


def payments(
    source: Side,
    target: Side,
    areas: Mapping[str, str],
    owners: Mapping[Key, str],
    matches: Mapping[Key, list[Family]],
) -> list[str]:
    """Payments on one side without a partner on the other."""
    ours = Counter(_ours(source))
    theirs = Counter(_theirs(target, areas, owners, matches))
    said = [_words(c, n, "missing at the ERP") for c, n in (ours - theirs).items()]
    return said + [_words(c, n, "at the ERP, but not in the source") for c, n in (theirs - ours).items()]


def _ours(source: Side) -> Iterable[Content]:
    parts: dict[Key, list[tuple[str, object]]] = defaultdict(list)
    for a in source["allocations"]:
        parts[a["company"], a["payment"]].append((a["invoice"], normal(a["amount"])))
    for p in source["payments"]:
        yield _content(p, p["company"], p["customer"], p["amount"], parts[p["company"], p["number"]])


def _theirs(
    target: Side, areas: Mapping[str, str], owners: Mapping[Key, str], matches: Mapping[Key, list[Family]]
) -> Iterable[Content]:
    companies = {area: company for company, area in areas.items()}
    invoice_now = {
        (document["area"], document["number"]): key[1]
        for key, families in matches.items() for family in families for document in family.documents
    }  # fmt: skip
    parts: dict[Key, list[tuple[str, object]]] = defaultdict(list)
    for s in target["settlements"]:
        invoice = str(invoice_now.get((s["area"], s["invoice"]), s["invoice"]))
        parts[s["area"], s["payment"]].append((invoice, normal(money(s["settled_cents"]))))
    for p in target["payments"]:
        owner = owners.get((p["area"], p["customer"]), p["customer"])
        amount, settled = money(p["amount_cents"]), parts[p["area"], p["number"]]
        yield _content(p, str(companies.get(p["area"], p["area"])), owner, amount, settled)


def _content(
    record: Record, company: str, customer: str, amount: object, parts: list[tuple[str, object]]
) -> Content:
    paid = (record["paid_on"], record["currency"], normal(amount), normal(record["method"]))
    return (company, customer, *paid, tuple(sorted(parts, key=str)))


def _words(content: Content, times: int, where: str) -> str:
    company, customer, day, currency, amount, method, parts = content
    against = ", ".join(f"{invoice}: {part:f}" for invoice, part in parts) or "nothing"
    often = f" ({times} times)" if times > 1 else ""
    method_ = f" by {method}" if method else ""
    return f"payment {company}/{customer} of {day}, {amount:f} {currency}{method_} against {against}: {where}{often}"


def doubled(target: Side) -> list[str]:
    """What the ERP did twice, or booked otherwise than it says."""
    said = [
        f"payment marker {r['payment_reference']} in {r['data_area_id']}: {r['count(*)']} payments carry it"
        for r in target["doubled_markers"]
    ]
    said += [
        f"{r['kind']} {r['data_area_id']}/{r['document_number']}: {r['count(*)']} vouchers"
        for r in target["doubled_vouchers"]
    ]
    said += [
        f"{r['entity_set']}: the same write was accepted {r['count(*)']} times"
        for r in target["doubled_effects"]
    ]
    return said + [
        f"invoice {r['data_area_id']}/{r['invoice_number']}: its voucher is not what its posting says"
        for r in target["wrong_vouchers"]
    ]
