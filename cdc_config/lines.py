"""YAML as a tree that remembers where everything was written, so that every error can name file and line.

Plain scalars stay texts (only `null`, `~` and nothing are null): the typed models turn them into numbers,
booleans and dates where such are wanted. So the country code NO is not false, and the code 007 keeps its
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cdc_config.errors import ConfigError, Problem

_NULLS = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of a file an operator can open."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Item:
    """One value, and where it was written. `shipped`: it comes from the product's own defaults."""

    value: str | dict[str, Item] | list[Item] | None
    mark: Mark
    shipped: bool = False

    def plain(self) -> Any:
        """The value without its marks."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def find(self, loc: Sequence[str | int]) -> Item:
        """The item at `loc`, or the nearest one around it that was written."""
        item = self
        for step in loc:
            inner = item.value
            if isinstance(inner, dict) and step in inner:
                item = inner[str(step)]
            elif isinstance(inner, list) and isinstance(step, int) and step < len(inner):
                item = inner[step]
        return item


def read_yaml(path: Path, *, shipped: bool = False) -> Item:
    """Read one file. Raises ConfigError: unreadable, not YAML, or a key given twice."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ConfigError("the file does not exist", where=str(path), remedy="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file cannot be read: {error}", where=str(path)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(
            f"not valid YAML: {error.problem}",
            where=str(Mark(path, line)),
            remedy="check indentation, colons and quotes on this line",
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", where=str(path)) from error
    if node is None:
        return Item({}, Mark(path, 1), shipped)
    return _Reader(path, shipped).item(node)


class _Reader:
    """Turns one file's nodes into items."""

    def __init__(self, path: Path, shipped: bool) -> None:
        self._path = path
        self._shipped = shipped
        self._inside: set[int] = set()  # nodes being read: an anchor that contains itself never ends

    def item(self, node: yaml.Node) -> Item:
        mark = Mark(self._path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            null = node.style is None and node.value in _NULLS
            return Item(None if null else str(node.value), mark, self._shipped)
        if id(node) in self._inside:
            raise ConfigError("an anchor contains itself", where=str(mark), remedy="remove the alias")
        self._inside.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return Item([self.item(child) for child in node.value], mark, self._shipped)
            return Item(self._entries(node), mark, self._shipped)
        finally:
            self._inside.discard(id(node))

    def _entries(self, node: yaml.Node) -> dict[str, Item]:
        found: dict[str, Item] = {}
        merged: dict[str, Item] = {}
        for key, value in node.value:
            mark = Mark(self._path, key.start_mark.line + 1)
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError("a key must be a plain text", where=str(mark), remedy="write name: value")
            inner = self.item(value)
            if key.value == "<<" and key.style is None and isinstance(inner.value, dict):
                merged = inner.value | merged
            elif key.value in found:
                first = found[key.value].mark
                raise ConfigError(
                    f"{key.value!r} is given twice, first at line {first.line}",
                    where=str(mark),
                    remedy="keep one of them",
                )
            else:
                # The key's line, not the value's: a block begins on the line after its name.
                found[key.value] = Item(inner.value, mark, self._shipped)
        return merged | found


def overlay(mine: Item, shipped: Item) -> Item:
    """The operator's own items over shipped ones, key by key; a list replaces a shipped one whole."""
    if not (isinstance(mine.value, dict) and isinstance(shipped.value, dict)):
        return mine
    both = dict(shipped.value)
    for key, item in mine.value.items():
        both[key] = overlay(item, both[key]) if key in both else item
    return Item(both, mine.mark, mine.shipped)


def join(a: Item, b: Item, problems: list[Problem], path: str = "") -> Item:
    """Two files of equal rank as one: blocks are joined, lists appended, the same value twice is refused."""
    if isinstance(a.value, dict) and isinstance(b.value, dict):
        both = dict(a.value)
        for key, item in b.value.items():
            name = f"{path}.{key}" if path else key
            both[key] = join(both[key], item, problems, name) if key in both else item
        return Item(both, a.mark, a.shipped)
    if isinstance(a.value, list) and isinstance(b.value, list):
        return Item([*a.value, *b.value], a.mark, a.shipped)
    problems.append(Problem(f"{path} is given twice, also at {a.mark}", str(b.mark), "keep one of them"))
    return a
