"""Do the books balance? Three ledgers, each side counted by another hand, in one snapshot of the store.

rows:      captured = merged + folded + older + unmapped + held + in the inbox
entities:  affected = changed + unchanged + excepted + waiting (dirty)
commands:  made     = the sum over command states, with what was pruned carried forward; in flight counts only while its
           request is open, so that an outcome that was lost shows
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from agent.store.queries import queries

_SQL = queries("agent.operations", "books")

Items = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One ledger of one scope (a source or a target)."""

    ledger: str
    scope: str
    left: Items
    right: Items

    @property
    def difference(self) -> int:
        """Left minus right: what was counted in and never came out."""
        return sum(self.left.values()) - sum(self.right.values())


@dataclass(frozen=True, slots=True)
class Books:
    """All ledgers at one moment. effects: truncates, key changes, sweeps and foreign keys' actions, counted apart from rows."""

    ledgers: tuple[Ledger, ...]
    effects: Mapping[str, Items]

    @property
    def out_of_balance(self) -> tuple[Ledger, ...]:
        """The ledgers that do not add up; empty when all is well."""
        return tuple(ledger for ledger in self.ledgers if ledger.difference != 0)

    @property
    def balanced(self) -> bool:
        """True when every ledger adds up."""
        return not self.out_of_balance


def books(conn: psycopg.Connection[Any]) -> Books:
    """Count both sides of every ledger as of one moment."""
    with conn.transaction():
        conn.execute(_SQL["snapshot"])
        items = _items(conn)
        captured = _pairs(conn, "captured")
        inbox = _pairs(conn, "inbox")
        dirty = _pairs(conn, "dirty")
        states: dict[str, dict[str, int]] = defaultdict(dict)
        for target, state, n in conn.execute(_SQL["commands"]).fetchall():
            states[target][state] = n
        for target, n in _pairs(conn, "stranded").items():
            states[target]["in_flight"] -= n
    ledgers = [
        *(_rows(source, captured.get(source, 0), inbox.get(source, 0), items["rows", source])
          for source in sorted(captured.keys() | _scopes(items, "rows"))),
        *(_entities(source, dirty.get(source, 0), items["entities", source])
          for source in sorted(captured.keys() | _scopes(items, "entities"))),
        *(_commands(target, states[target], items["commands", target])
          for target in sorted(states.keys() | _scopes(items, "commands"))),
    ]  # fmt: skip
    effects = {scope: dict(items["row_effects", scope]) for scope in sorted(_scopes(items, "row_effects"))}
    return Books(tuple(ledgers), effects)


def _rows(source: str, captured: int, inbox: int, items: Items) -> Ledger:
    return Ledger("rows", source, {"captured": captured}, {**items, "in the inbox": inbox})


def _entities(source: str, dirty: int, items: Items) -> Ledger:
    right = {item: n for item, n in items.items() if item != "affected"}
    return Ledger("entities", source, {"affected": items.get("affected", 0)}, {**right, "waiting": dirty})


def _commands(target: str, states: Items, items: Items) -> Ledger:
    # A pruned command still counts: its state's number is carried forward as `pruned:<state>`.
    right = dict(states)
    for item, n in items.items():
        if item.startswith("pruned:"):
            state = item.removeprefix("pruned:")
            right[state] = right.get(state, 0) + n
    return Ledger("commands", target, {"made": items.get("made", 0)}, right)


def _items(conn: psycopg.Connection[Any]) -> defaultdict[tuple[str, str], dict[str, int]]:
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for ledger, scope, item, n in conn.execute(_SQL["items"]).fetchall():
        found[ledger, scope][item] = n
    return found


def _pairs(conn: psycopg.Connection[Any], name: str) -> dict[str, int]:
    return {str(scope): int(n) for scope, n in conn.execute(_SQL[name]).fetchall()}


def _scopes(items: Mapping[tuple[str, str], Items], ledger: str) -> set[str]:
    return {scope for name, scope in items if name == ledger}
