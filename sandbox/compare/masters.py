"""Customers and customer accounts, record by record."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.compare.fields import differing, money
from sandbox.compare.matching import extra, only, reference
from sandbox.compare.sides import Key, Numbers, Record, Side


def customers(source: Side, target: Side, numbers: Numbers, ignored: frozenset[str]) -> list[str]:
    """A living customer is one party; a deleted one is inactive or not there."""
    parties = {str(p["number"]): p for p in target["customers"]}
    found: list[str] = []
    taken: set[str] = set()
    for ours in source["customers"]:
        what = f"customer {ours['number']}"
        theirs = only(what, numbers.customer(ours["number"]), parties, found, taken)
        if theirs is None:
            continue
        names = [n for n in ours if n not in ("number", "parent") and f"customer.{n}" not in ignored]
        found += differing(what, {n: ours[n] for n in names}, theirs)
        if "customer.parent" not in ignored:
            found += reference(what, "parent", numbers.customer, ours["parent"], theirs["parent"])
    found += extra("party", parties, taken)
    return found


def accounts(
    source: Side, target: Side, numbers: Numbers, areas: Mapping[str, str], ignored: frozenset[str]
) -> list[str]:
    """A living account is one active CustomersV3 row of its company."""
    by_area: dict[str, dict[str, Record]] = {}
    for theirs in target["accounts"]:
        by_area.setdefault(theirs["area"], {})[theirs["number"]] = theirs
    found: list[str] = []
    taken: dict[str, set[str]] = {area: set() for area in by_area}
    for ours in source["accounts"]:
        area = areas.get(ours["company"], ours["company"])
        what = f"account {ours['company']}/{ours['number']}"
        there, used = by_area.get(area, {}), taken.setdefault(area, set())
        match = only(what, numbers.customer(ours["number"]), there, found, used)
        if match is None:
            continue
        said = {**match, "credit_limit": money(match["credit_cents"])}
        names = ("currency", "terms", "credit_limit", "on_hold")
        wanted = {n: ours[n] for n in names if f"customer_account.{n}" not in ignored}
        found += differing(what, {**wanted, "active": "Yes"}, said)
        found += reference(what, "customer", numbers.customer, ours["number"], match["party"])
    for area, there in by_area.items():
        found += extra(f"account {area}", there, taken[area])
    return found


def account_owner(source: Side, numbers: Numbers, areas: Mapping[str, str]) -> dict[Key, str]:
    """(area, any number an account ever had) → its customer's number now; current numbers win."""
    owners: dict[Key, str] = {}
    for ours in source["accounts"]:
        for number in numbers.customer(ours["number"]):
            owners.setdefault((areas.get(ours["company"], ours["company"]), number), ours["number"])
    for ours in source["accounts"]:
        owners[areas.get(ours["company"], ours["company"]), ours["number"].upper()] = ours["number"]
    return owners
