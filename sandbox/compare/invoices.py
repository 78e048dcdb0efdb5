"""Invoices: a legacy invoice against all the documents the ERP holds for it.

A correction of a posted invoice leaves an original, its reversal, and a successor that names one of them; they make one
*family*, found by following "corrects" to the document that corrects nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.compare.fields import differing, money, normal
from sandbox.compare.sides import Key, Numbers, Record, Side


@dataclass(slots=True)
class Family:
    """All ERP documents that go back to one original."""

    root: Key
    documents: list[Record] = field(default_factory=list)

    @property
    def alive(self) -> list[Record]:
        """Posted documents that no reversal took back."""
        reversed_ = {d["corrects"] for d in self.documents if d["is_reversal"] and d["status"] == "Posted"}
        return [
            d for d in self.documents
            if d["status"] == "Posted" and not d["is_reversal"] and d["number"] not in reversed_
        ]  # fmt: skip

    @property
    def drafts(self) -> list[Record]:
        """Documents that are not final."""
        return [d for d in self.documents if d["status"] == "Draft"]


def families(target: Side) -> dict[Key, Family]:
    """Families by their root's (area, number)."""
    by_key = {(d["area"], d["number"]): d for d in target["invoices"]}
    found: dict[Key, Family] = {}
    for key, document in by_key.items():
        root = root_of(key, by_key)
        found.setdefault(root, Family(root)).documents.append(document)
    return found


def root_of(key: Key, by_key: Mapping[Key, Record]) -> Key:
    """The document at the beginning of the chain; a chain that bites its tail ends where it does."""
    seen = {key}
    while (document := by_key.get(key)) is not None and document["corrects"]:
        key = (key[0], document["corrects"])
        if key in seen:
            break
        seen.add(key)
    return key


def matched(
    source: Side, numbers: Numbers, areas: Mapping[str, str], found: dict[Key, Family]
) -> dict[Key, list[Family]]:
    """(company, number now) → the families under any number it ever had, the newest number first."""
    matches: dict[Key, list[Family]] = {}
    current = {(areas.get(i["company"], i["company"]), i["number"].upper()) for i in source["invoices"]}
    for ours in source["invoices"]:
        area = areas.get(ours["company"], ours["company"])
        keys = [(area, number) for number in numbers.invoice(ours["company"], ours["number"])]
        mine = [key for key in keys if key == keys[0] or key not in current]
        matches[ours["company"], ours["number"]] = [found[key] for key in mine if key in found]
    return matches


def invoices(
    source: Side,
    target: Side,
    owners: Mapping[Key, str],
    found: dict[Key, Family],
    matches: Mapping[Key, list[Family]],
) -> list[str]:
    """Each legacy invoice against its families, and families without one."""
    their_lines, our_lines = _lines(target, "area"), _lines(source, "company")
    said: list[str] = []
    taken: set[Key] = set()
    for ours in source["invoices"]:
        key = (ours["company"], ours["number"])
        mine = matches[key]
        taken.update(family.root for family in mine)
        document, words = _the_one(ours, mine)
        said += words
        if document is not None:
            said += _contents(ours, document, owners)
            said += _same_lines(ours, our_lines[key], their_lines[document["area"], document["number"]])
    for root, family in found.items():
        if root not in taken:
            said += _gone(f"invoice {root[0]}/{root[1]}: not in the source", family)
    return said


def _the_one(ours: Record, mine: list[Family]) -> tuple[Record | None, list[str]]:
    """The document that now stands for the legacy invoice, or what is wrong."""
    what = f"invoice {ours['company']}/{ours['number']}"
    alive = [d for family in mine for d in family.alive]
    drafts = [d for family in mine for d in family.drafts]
    if ours["status"] == "V":
        return None, [w for family in mine for w in _gone(f"{what}: void in the source", family)]
    wanted, other, state = (alive, drafts, "posted") if ours["status"] == "P" else (drafts, alive, "draft")
    words = []
    if other:
        words.append(
            f"{what}: {state} in the source, but {_numbers(other)} {other[0]['status'].lower()} at the ERP"
        )
    if len(wanted) != 1:
        words.append(
            f"{what}: {state} in the source, {len(wanted)} times at the ERP {_numbers(wanted)}".rstrip()
        )
        return None, words
    return wanted[0], words


def _gone(what: str, family: Family) -> list[str]:
    left = family.alive + family.drafts
    return [f"{what}, but {_numbers(left)} stands at the ERP"] if left else []


def _numbers(documents: list[Record]) -> str:
    return ", ".join(str(d["number"]) for d in documents)


def _contents(ours: Record, theirs: Record, owners: Mapping[Key, str]) -> list[str]:
    owner = owners.get((theirs["area"], theirs["customer"]), theirs["customer"])
    said = {**theirs, "total": money(theirs["total_cents"]), "customer": owner}
    names = ("customer", "invoice_date", "due_date", "currency", "total", "reference", "note")
    return differing(f"invoice {ours['company']}/{ours['number']}", {n: ours[n] for n in names}, said)


def _lines(side: Side, company: str) -> dict[Key, dict[int, Record]]:
    lines: dict[Key, dict[int, Record]] = defaultdict(dict)
    for line in side["invoice_lines"]:
        amount = {} if "amount" in line else {"amount": money(line["line_cents"])}
        lines[line[company], line["number"]][line["line"]] = {**line, **amount}
    return lines


def _same_lines(ours: Record, source: dict[int, Record], target: dict[int, Record]) -> list[str]:
    what = f"invoice {ours['company']}/{ours['number']}"
    if source.keys() != target.keys():
        return [f"{what}: lines {sorted(target)} at the ERP, {sorted(source)} in the source"]
    names = ("description", "item", "quantity", "price", "amount")
    found: list[str] = []
    for number, line in source.items():
        if any(normal(line[n]) != normal(target[number][n]) for n in names):
            found += differing(f"{what} line {number}", {n: line[n] for n in names}, target[number])
    return found
