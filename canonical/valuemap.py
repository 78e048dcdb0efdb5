"""Value maps: code → code, applied to a view's output, so that the view's text still runs in the source.

A path names an output ("terms"), or a field of every element of a list output ("lines.service_item").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

OnMissing = Literal["keep", "mandatory", "if_possible", "clear"]


class CodeMap(Protocol):
    """A value map, as configuration has it."""

    @property
    def values(self) -> Mapping[str, str]: ...
    @property
    def on_missing(self) -> OnMissing: ...


class Gap(NamedTuple):
    """A code that a map does not list. `blocks`: the entity must wait for a person (mandatory)."""

    path: str
    map_name: str
    code: str
    blocks: bool


class Mapped(NamedTuple):
    """A state after its maps, and what they could not map."""

    state: Mapping[str, Any]
    gaps: tuple[Gap, ...] = ()

    @property
    def blocked(self) -> bool:
        """True when a mandatory code is missing, so that the state must not go on."""
        return any(gap.blocks for gap in self.gaps)


def code_text(code: object) -> str:
    """How a code of any type is written in a value map."""
    if isinstance(code, bool):
        return "true" if code else "false"
    return str(code)


def map_code(code_map: CodeMap, code: object) -> tuple[Any, bool]:
    """(value, listed) for one code. Null is no code: it stays null."""
    if code is None:
        return None, True
    text = code_text(code)
    if text in code_map.values:
        return code_map.values[text], True
    return (None if code_map.on_missing == "clear" else code), False


def apply(state: Mapping[str, Any], uses: Mapping[str, str], maps: Mapping[str, CodeMap]) -> Mapped:
    """Map a state's codes. uses: path → map name. The state is returned itself when no map touches it."""
    result: dict[str, Any] | None = None
    gaps: list[Gap] = []
    for path, map_name in uses.items():
        head, rest = _parts(path)
        if head not in state:
            continue
        if result is None:
            result = dict(state)
        value, code_map = result[head], maps[map_name]
        if not rest and type(value) is str and value in code_map.values:
            result[head] = code_map.values[value]
        else:
            result[head] = _apply_one(value, path, rest, map_name, code_map, gaps)
    return Mapped(state if result is None else result, tuple(gaps))


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, str]:
    head, _, rest = path.partition(".")
    return head, rest


def _apply_one(value: Any, path: str, rest: str, map_name: str, code_map: CodeMap, gaps: list[Gap]) -> Any:
    if not rest:
        mapped, listed = map_code(code_map, value)
        # `keep` and `clear` are decisions, not gaps: the operator said what an unlisted code becomes.
        if not listed and code_map.on_missing in ("mandatory", "if_possible"):
            gaps.append(Gap(path, map_name, code_text(value), code_map.on_missing == "mandatory"))
        return mapped
    if isinstance(value, Mapping):
        head, _, further = rest.partition(".")
        if head not in value:
            return value
        return {**value, head: _apply_one(value[head], path, further, map_name, code_map, gaps)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_apply_one(item, path, rest, map_name, code_map, gaps) for item in value]
    return value
