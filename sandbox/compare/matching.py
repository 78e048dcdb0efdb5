"""One record on each side that belong together, and records that have no partner. `active` is "Yes" for those that stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sandbox.compare.sides import Record


def only(
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


def reference(what: str, name: str, known: Callable[[str], Iterable[str]], ours: str, theirs: str) -> list[str]:
    """What differs when `theirs` is none of the numbers that `ours` has and had."""
    fitting = set(known(ours)) if ours else {""}
    if theirs in fitting:
        return []
    return [f"{what}: {name} is {theirs!r} at the ERP, {ours!r} in the source"]


def extra(what: str, there: Mapping[str, Record], taken: set[str]) -> list[str]:
    """Records of theirs that stand and are nobody's."""
    return [
        f"{what} {number}: active at the ERP, but not in the source"
        for number, theirs in there.items()
        if number not in taken and theirs["active"] == "Yes"
    ]
