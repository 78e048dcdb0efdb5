"""From files to a Config: read, put together, typed, checked; or one ConfigError that tells everything.

`include:` joins other files of the operator's (paths or globs, relative to the file that says so); a value
given twice among them is refused. `use:` lays shipped defaults underneath: the operator's files replace
them key by key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from cdc_config import checks
from cdc_config.errors import ConfigError, Problem
from cdc_config.lines import Item, Mark, join, overlay, read_yaml
from cdc_config.models import Config
from cdc_config.problems import did_you_mean, problems_of
from cdc_config.profile import Profile
from cdc_config.profile_checks import profile_problems

DEFAULTS = Path(str(files("cdc_config").joinpath("defaults")))
EXAMPLE = DEFAULTS / "coexist.example.yaml"
_PROFILES = "profiles"


@dataclass(frozen=True)
class Loaded:
    """A configuration with what the checks and reports need beside it: where each value was written."""

    path: Path
    config: Config
    tree: Item
    files: tuple[Path, ...]

    def where(self, *loc: str | int) -> str:
        """file:line of a value, or of the nearest block around it."""
        return str(self.tree.find(loc).mark)


def load_config(path: Path) -> Config:
    """The configuration, or ConfigError with every problem. Secrets are not read."""
    return load(path).config


def load(path: Path) -> Loaded:
    """Like load_config, with lines."""
    reader = _Files()
    tree = _resolve_paths(reader.assemble(path.absolute()))
    if reader.problems:
        raise ConfigError.of(reader.problems)
    try:
        config = Config.model_validate(tree.plain())
    except ValidationError as error:
        raise ConfigError.of(problems_of(error, tree, Config)) from error
    problems = checks.check(config, tree, known_profile)
    for profile in sorted({t.profile for t in config.targets.values() if known_profile(t.profile) is None}):
        problems += _wrong_in_profile(profile)
    if problems:
        raise ConfigError.of(problems)
    return Loaded(path.absolute(), config, tree, tuple(reader.seen))


def load_profile(name: str) -> Profile:
    """A target profile: shipped by name, or the operator's own by path (ending in .yaml)."""
    return _read_profile(name)[0]


def _read_profile(name: str) -> tuple[Profile, Item]:
    path = _profile_path(name)
    tree = read_yaml(path, shipped=not name.endswith(".yaml"))
    try:
        return Profile.model_validate(tree.plain()), tree
    except ValidationError as error:
        raise ConfigError.of(problems_of(error, tree, Profile)) from error


def _wrong_in_profile(name: str) -> list[Problem]:
    try:
        profile, tree = _read_profile(name)
    except ConfigError as error:
        return list(error.problems)
    return profile_problems(profile, tree)


def known_profile(name: str) -> str | None:
    """None when the profile can be had, else the remedy."""
    if _profile_path(name).exists():
        return None
    return did_you_mean(name, shipped_profiles())


def shipped_profiles() -> list[str]:
    """Names of the profiles that ship with the product."""
    return sorted(entry.stem for entry in (DEFAULTS / _PROFILES).glob("*.yaml"))


def shipped_defaults() -> list[str]:
    """Names that `use:` knows."""
    return sorted(entry.name for entry in DEFAULTS.iterdir() if entry.is_dir() and entry.name != _PROFILES)


def config_digest(config: Config) -> str:
    """The version of a configuration: what it means, not where its files lie."""
    data = config.model_dump(mode="json", exclude={"store"})
    for name, mapping in config.mappings.items():
        data["mappings"][name]["sql"] = hashlib.sha256(mapping.sql.read_bytes()).hexdigest()
    return hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


class _Files:
    """Reads the main file and all it names."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.seen: list[Path] = []
        self._use: dict[str, Mark] = {}

    def assemble(self, path: Path) -> Item:
        own = self._with_includes(path)
        shipped: Item | None = None
        for name, mark in self._use.items():
            for default in self._shipped(name, mark):
                inner = read_yaml(default, shipped=True)
                self.seen.append(default)
                shipped = inner if shipped is None else join(shipped, inner, self.problems)
        return own if shipped is None else overlay(own, shipped)

    def _with_includes(self, path: Path) -> Item:
        item = read_yaml(path)
        self.seen.append(path)
        if not isinstance(item.value, dict):
            raise ConfigError("the file must be a block of `name: value` lines", where=str(item.mark))
        entries = dict(item.value)
        for name in self._texts(entries.pop("use", None), "use"):
            self._use.setdefault(str(name.value), name.mark)
        included = self._texts(entries.pop("include", None), "include")
        whole = Item(entries, item.mark)
        for pattern in included:
            for inner in self._matching(path.parent, pattern):
                whole = join(whole, self._with_includes(inner), self.problems)
        return whole

    def _matching(self, folder: Path, pattern: Item) -> list[Path]:
        text = str(pattern.value)
        found = [folder / text] if Path(text).is_absolute() else sorted(folder.glob(text))
        if not found:
            self._refuse(
                "include", f"{text!r} matches no file", pattern.mark, "the path is relative to this file"
            )
        for again in [inner for inner in found if inner in self.seen]:
            self._refuse("include", f"{again} is included twice", pattern.mark, "include each file once")
            found.remove(again)
        return found

    def _shipped(self, name: str, mark: Mark) -> list[Path]:
        if name not in shipped_defaults():
            self._refuse("use", f"unknown default {name!r}", mark, did_you_mean(name, shipped_defaults()))
            return []
        return sorted((DEFAULTS / name).glob("*.yaml"))

    def _texts(self, item: Item | None, field: str) -> list[Item]:
        if item is None or item.value is None:
            return []
        if isinstance(item.value, str):
            return [item]
        if isinstance(item.value, list) and all(isinstance(inner.value, str) for inner in item.value):
            return item.value
        self._refuse(field, "must be a list of names", item.mark, f"write `{field}: [name]`")
        return []

    def _refuse(self, field: str, what: str, mark: Mark, remedy: str) -> None:
        self.problems.append(Problem(f"{field}: {what}", str(mark), remedy))


def _resolve_paths(tree: Item) -> Item:
    """Paths are relative to the file that names them; from here on they are absolute."""
    tree = _at(tree, ("mappings", "*", "sql"))
    tree = _at(tree, ("store", "embedded", "directory"))
    tree = _at(tree, ("targets", "*", "profile"), only=".yaml")
    tree = _at(tree, ("sources", "*", "kafka", "ssl_ca_location"))
    tree = _at(tree, ("sources", "*", "connect", "ssl_ca_location"))
    return _secret_files(tree)


def _at(item: Item, loc: tuple[str, ...], only: str = "") -> Item:
    if not loc:
        return _absolute(item, only)
    if not isinstance(item.value, dict):
        return item
    entries = {
        key: _at(inner, loc[1:], only) if loc[0] in ("*", key) else inner for key, inner in item.value.items()
    }
    return Item(entries, item.mark, item.shipped)


def _absolute(item: Item, only: str) -> Item:
    if not isinstance(item.value, str) or not item.value.endswith(only):
        return item
    return Item(str((item.mark.file.parent / item.value).resolve()), item.mark, item.shipped)


def _secret_files(item: Item) -> Item:
    value: Any = item.value
    if isinstance(value, list):
        return Item([_secret_files(inner) for inner in value], item.mark, item.shipped)
    if not isinstance(value, dict):
        return item
    if set(value) == {"file"}:
        return Item({"file": _absolute(value["file"], "")}, item.mark, item.shipped)
    return Item({key: _secret_files(inner) for key, inner in value.items()}, item.mark, item.shipped)


def _profile_path(name: str) -> Path:
    return Path(name) if name.endswith(".yaml") else DEFAULTS / _PROFILES / f"{name}.yaml"
