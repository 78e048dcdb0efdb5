"""Ownership is a function: (object, field, legal entity, business date) → owner, or held for a person.

Exactly one rule wins. A rule for a named legal entity beats one for "*"; between two of the same scope the one
for a named group beats "*". No rule means held: there is no last writer. `split` answers batches by look-up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import combinations
from typing import Protocol

ANY = "*"
FROZEN = "frozen"
DEFAULT_GROUP = "default"

Groups = Mapping[str, Mapping[str, Sequence[str]]]  # object → group → fields
_Cached = Callable[[str, "str | None", int, tuple[str, ...]], "Split"]


class Rule(Protocol):
    """One ownership rule, as configuration has it. Dates bound the business date: [from, to)."""

    @property
    def object(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def from_date(self) -> date | None: ...
    @property
    def to_date(self) -> date | None: ...


class RuleBook(Protocol):
    """A version of all rules."""

    @property
    def version(self) -> str: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def rules(self) -> Sequence[Rule]: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """Who owns a field, by which rule of which version."""

    owner: str
    rule: str
    version: str

    @property
    def label(self) -> str:
        """Rule and version in one text, as commands and journals carry it."""
        return f"{self.rule}#{self.version}"


@dataclass(frozen=True, slots=True)
class Held:
    """No rule covers this field: a person decides, nothing is sent."""

    object: str
    field: str
    legal_entity: str | None
    version: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A field that another system owns (or nobody may change: `frozen`)."""

    field: str
    owner: str
    rule: str


@dataclass(frozen=True, slots=True)
class Split:
    """What a source may say about one entity, by field. `label` names the rules that let `owned` through."""

    owned: tuple[str, ...]
    suppressed: tuple[Suppressed, ...]
    held: tuple[str, ...]
    label: str


def rule_id(rule: Rule) -> str:
    """A rule's stable name: object.group@scope, with its dates where it has any."""
    dated = rule.from_date or rule.to_date
    period = f"[{rule.from_date or ''}..{rule.to_date or ''}]" if dated else ""
    return f"{rule.object}.{rule.group}@{rule.scope}{period}"


def group_of(groups: Groups, object_name: str, field: str) -> str:
    """The group a field belongs to; a field in no group is in "default"."""
    for group, fields in groups.get(object_name, {}).items():
        if field in fields:
            return group
    return DEFAULT_GROUP


def resolve(
    book: RuleBook, object_name: str, field: str, legal_entity: str | None, business_date: date
) -> Decision | Held:
    """The one decision for one field. legal_entity None (a global master) is covered by scope "*" only."""
    group = group_of(book.groups, object_name, field)
    matching = [
        rule for rule in book.rules
        if rule.object == object_name and rule.group in (ANY, group)
        and (rule.scope == ANY or rule.scope == legal_entity) and _covers(rule, business_date)
    ]  # fmt: skip
    if not matching:
        return Held(object_name, field, legal_entity, book.version)
    winner = max(matching, key=lambda rule: (rule.scope != ANY, rule.group != ANY))
    return Decision(winner.owner, rule_id(winner), book.version)


def overlaps(rules: Sequence[Rule]) -> Iterator[tuple[int, int]]:
    """Indexes of rule pairs that could both win: same object, group and scope, with a day in common."""
    for (i, a), (j, b) in combinations(enumerate(rules), 2):
        if (a.object, a.group, a.scope) == (b.object, b.group, b.scope) and _share_a_day(a, b):
            yield i, j


def empty_periods(rules: Sequence[Rule]) -> Iterator[int]:
    """Indexes of rules that no day can match."""
    for i, rule in enumerate(rules):
        if rule.from_date is not None and rule.to_date is not None and rule.from_date >= rule.to_date:
            yield i


def doubly_grouped(groups: Groups) -> Iterator[tuple[str, str, str, str]]:
    """(object, field, group, other group) for every field that stands in two groups of its object."""
    for object_name, by_group in groups.items():
        seen: dict[str, str] = {}
        for group, fields in by_group.items():
            for field in fields:
                if field in seen:
                    yield object_name, field, seen[field], group
                seen[field] = group


class Ownership:
    """A rule book seen from one source, ready for batches: a repeated question costs a dictionary look-up."""

    def __init__(self, book: RuleBook, source: str) -> None:
        self.version = book.version
        self.source = source
        self._book = book
        self._days = {name: _boundaries(book.rules, name) for name in {rule.object for rule in book.rules}}
        self._cached: _Cached = lru_cache(maxsize=65536)(self._split)

    def split(
        self, object_name: str, legal_entity: str | None, business_date: date, fields: tuple[str, ...]
    ) -> Split:
        """Sort `fields` into those this source owns, those it does not, and those nobody was given."""
        day = business_date.date() if isinstance(business_date, datetime) else business_date
        period = bisect_right(self._days.get(object_name, ()), day)
        return self._cached(object_name, legal_entity, period, fields)

    def _split(
        self, object_name: str, legal_entity: str | None, period: int, fields: tuple[str, ...]
    ) -> Split:
        # Between two boundary days every rule says the same, so one day stands for the whole period.
        days = self._days.get(object_name, ())
        day = date.min if period == 0 else days[period - 1]
        owned: list[str] = []
        suppressed: list[Suppressed] = []
        held: list[str] = []
        labels: dict[str, None] = {}
        for field in fields:
            answer = resolve(self._book, object_name, field, legal_entity, day)
            if isinstance(answer, Held):
                held.append(field)
            elif answer.owner == self.source:
                owned.append(field)
                labels[answer.rule] = None
            else:
                suppressed.append(Suppressed(field, answer.owner, answer.rule))
        label = f"{' '.join(labels)}#{self.version}" if labels else ""
        return Split(tuple(owned), tuple(suppressed), tuple(held), label)


def compile_ownership(book: RuleBook, source: str) -> Ownership:
    """Prepare the rules for the deriver of one source."""
    return Ownership(book, source)


def _covers(rule: Rule, day: date) -> bool:
    return (rule.from_date is None or rule.from_date <= day) and (rule.to_date is None or day < rule.to_date)


def _share_a_day(a: Rule, b: Rule) -> bool:
    start = max(a.from_date or date.min, b.from_date or date.min)
    end = min(a.to_date or date.max, b.to_date or date.max)
    # An open end reaches beyond the last representable day, which `end` excludes.
    return start < end or (a.to_date is None and b.to_date is None)


def _boundaries(rules: Sequence[Rule], object_name: str) -> tuple[date, ...]:
    days = {
        day for rule in rules if rule.object == object_name
        for day in (rule.from_date, rule.to_date) if day is not None
    }  # fmt: skip
    return tuple(sorted(days))
