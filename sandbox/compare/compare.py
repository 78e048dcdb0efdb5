"""The whole comparison: counts and money first, then record by record, then what was done twice."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from sandbox.compare import invoices, masters, payments
from sandbox.compare.fields import money
from sandbox.compare.result import Comparison, Row, in_words
from sandbox.compare.sides import Side, read_source, read_target

AREAS: Mapping[str, str] = {"DE01": "demf", "US01": "usmf", "GB01": "gbsi"}
IGNORED = frozenset({"customer.email"})  # the ERP owns it from day one
_ORDER = ("customer", "customer_account", "invoice draft", "invoice posted", "payment", "allocation")


def compare(
    source_dsn: str, record: Path, *, areas: Mapping[str, str] = AREAS, ignored: frozenset[str] = IGNORED,
    psa_dsn: str | None = None,
) -> Comparison:  # fmt: skip
    """Compare a legacy finance database, and with psa_dsn a PSA database too, with an ERP record.

    areas: legacy company → the ERP's company. ignored: "<entity>.<field>" that the source does not own.
    psa_dsn: mysql://user:password@host:port/database. What is not asked for is not looked at.
    """
    source, numbers = read_source(source_dsn)
    target = read_target(record)
    rows = table(source, target, areas)
    owners = masters.account_owner(source, numbers, areas)
    families = invoices.families(target)
    matches = invoices.matched(source, numbers, areas, families)
    differences = [
        *(words for row in rows for words in in_words(row)),
        *masters.customers(source, target, numbers, ignored),
        *masters.accounts(source, target, numbers, areas, ignored),
        *invoices.invoices(source, target, owners, families, matches),
        *payments.payments(source, target, areas, owners, matches),
        *payments.doubled(target),
    ]
    found = Comparison(tuple(rows), tuple(differences))
    if psa_dsn is None:
        return found
    from sandbox.compare.psa import compare_psa  # needs a driver that finance does without

    return found + compare_psa(psa_dsn, record)


def table(source: Side, target: Side, areas: Mapping[str, str]) -> list[Row]:
    """Counts and money of both sides, by entity, company and currency."""
    companies = {area: company for company, area in areas.items()}
    ours = {
        (r["entity"], r["company"], r["currency"]): (r["n"], Decimal(r["amount"] or 0))
        for r in source["money"]
    }
    theirs: dict[tuple[str, str, str], tuple[int, Decimal]] = {}
    for r in target["money"]:
        key = (str(r["entity"]), str(companies.get(r["company"], r["company"])), str(r["currency"]))
        theirs[key] = (r["n"], money(r["cents"] or 0))
    keys = sorted(ours.keys() | theirs.keys(), key=lambda key: (_ORDER.index(key[0]), *key[1:]))
    nothing = (0, Decimal(0))
    rows = []
    for key in keys:
        (n, amount), (their_n, their_amount) = ours.get(key, nothing), theirs.get(key, nothing)
        if n or amount or their_n or their_amount:
            rows.append(Row(*key, n, amount, their_n, their_amount))
    return rows
