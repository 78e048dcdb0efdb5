"""Customers and customer accounts, record by record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.compare.fields import differing, money
from sandbox.compare.sides import Key, Numbers, Record, Side


def customers(source: Side, target: Side, numbers: Numbers, ignored: frozenset[str]) -> list[str]:
    """A living customer is one party; a deleted one is inactive or not there."""
    parties = {str(p["number"]): p for p in target["customers"]}
    found: list[str] = []
    taken: set[str] = set()
    for ours in source["customers"]:
        what = f"customer {ours['number']}"
        theirs = _only(what, numbers.customer(ours["number"]), parties, found, taken)
        if theirs is None:
            continue
        names = [n for n in ours if n not in ("number", "parent") and f"customer.{n}" not in ignored]
        found += differing(what, {n: ours[n] for n in names}, theirs)
        if "customer.parent" not in ignored:
            found += _reference(what, "parent", numbers, ours["parent"], theirs["parent"])
    found += _extra("party", parties, taken)
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
        match = _only(what, numbers.customer(ours["number"]), there, found, used)
        if match is None:
            continue
        said = {**match, "credit_limit": money(match["credit_cents"])}
        names = ("currency", "terms", "credit_limit", "on_hold")
        wanted = {n: ours[n] for n in names if f"customer_account.{n}" not in ignored}
        found += differing(what, {**wanted, "active": "Yes"}, said)
        found += _reference(what, "customer", numbers, ours["number"], match["party"])
    for area, there in by_area.items():
        found += _extra(f"account {area}", there, taken[area])
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


def _only(
    what: str, candidates: Iterable[str], there: Mapping[str, Record], found: list[str], taken: set[str]
) -> Record | None:
    """The one record under any of the numbers; says so when there is none, or more than one alive."""
    matches = [there[number] for number in candidates if number in there]
    alive = [m for m in matches if m["active"] == "Yes"]
    taken.update(str(m["number"]) for m in matches)
    if len(alive) > 1:
        found.append(
            f"{what}: is at the ERP {len(alive)} times, as {', '.join(str(m['number']) for m in alive)}"
        )
    if not matches:
        found.append(f"{what}: missing at the ERP")
        return None
    return (alive or matches)[0]


def _reference(what: str, name: str, numbers: Numbers, ours: str, theirs: str) -> list[str]:
    fitting = set(numbers.customer(ours)) if ours else {""}
    if theirs in fitting:
        return []
    return [f"{what}: {name} is {theirs!r} at the ERP, {ours!r} in the source"]


def _extra(what: str, there: Mapping[str, Record], taken: set[str]) -> list[str]:
    return [
        f"{what} {number}: active at the ERP, but not in the source"
        for number, theirs in there.items()
        if number not in taken and theirs["active"] == "Yes"
    ]
