"""References of a wanted record: what the target calls the records they mean, and which are not there yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agent.model.commands import Json, Reference

RefKey = tuple[str, UUID]  # object, entity


@dataclass(frozen=True, slots=True)
class Resolved:
    """The wanted fields with the target's own keys in them, and the references that are missing there."""

    wanted: Mapping[str, Any]
    missing: tuple[Reference, ...]


def resolve(wanted: Json, references: Sequence[Reference], present: Mapping[RefKey, str]) -> Resolved:
    """Put each referenced record's key where its canonical number stands.

    present: key value of every referenced record that the target has. A record keeps its key at the target
    when its number changes at the source, so the canonical number would be wrong to send. A missing
    reference's field is left out. `field` is a field's name, or `lines.<index>.<name>` for a field of a
    line.
    """
    if not references:
        return Resolved(wanted, ())
    result = dict(wanted)
    missing = []
    for reference in references:
        value = present.get((reference.object, reference.entity_id))
        if value is None:
            missing.append(reference)
        _put(result, reference.field.split("."), value)
    return Resolved(result, tuple(missing))


def _put(target: dict[str, Any], path: list[str], value: str | None) -> None:
    name, rest = path[0], path[1:]
    if rest:
        lines = [dict(line) for line in target.get(name) or ()]
        index = int(rest[0])
        if index < len(lines):
            _put(lines[index], rest[1:], value)
        target[name] = lines
    elif value is None:
        target.pop(name, None)
    elif name in target:
        target[name] = value


def strongly_connected(edges: Mapping[RefKey, Sequence[RefKey]]) -> list[tuple[RefKey, ...]]:
    """Groups of nodes that reach each other (Tarjan, without recursion); single nodes only when they point
    at themselves.
    """
    index: dict[RefKey, int] = {}
    low: dict[RefKey, int] = {}
    on_stack: set[RefKey] = set()
    stack: list[RefKey] = []
    groups: list[tuple[RefKey, ...]] = []
    for root in edges:
        if root in index:
            continue
        walk = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while walk:
            node, children = walk[-1]
            child = next((c for c in children if c in edges), None)
            if child is None:
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == index[node]:
                    groups.append(_pop_group(stack, on_stack, node))
            elif child not in index:
                index[child] = low[child] = len(index)
                stack.append(child)
                on_stack.add(child)
                walk.append((child, iter(edges[child])))
            elif child in on_stack:
                low[node] = min(low[node], index[child])
    return [g for g in groups if len(g) > 1 or g[0] in edges[g[0]]]


def _pop_group(stack: list[RefKey], on_stack: set[RefKey], node: RefKey) -> tuple[RefKey, ...]:
    group = []
    while True:
        member = stack.pop()
        on_stack.discard(member)
        group.append(member)
        if member == node:
            return tuple(group)
