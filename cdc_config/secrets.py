"""Secrets: read at the moment they are needed, never kept in the configuration, never shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cdc_config.base import SecretRef
from cdc_config.errors import ConfigError, Problem

HIDDEN = "***"
_SHORTEST = 4  # a shorter text would blank out ordinary words in logs

_seen: set[str] = set()


class Secret:
    """A secret value that does not show itself; `reveal()` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    def reveal(self) -> str:
        """The value itself, for the one call that needs it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a secret is not written anywhere")


class SecretSource:
    """One secret by reference, read again whenever it is asked for: a rotated file needs no restart."""

    def __init__(self, ref: SecretRef) -> None:
        self._ref = ref

    def get(self) -> Secret:
        """The secret as it is now."""
        return Secret(resolve(self._ref))

    def __repr__(self) -> str:
        return f"SecretSource({describe(self._ref)})"


def resolve(ref: SecretRef) -> str:
    """The secret's text as it is now. Raises ConfigError naming the variable or file that lacks it."""
    problem = missing(ref)
    if problem is not None:
        raise ConfigError(problem.what, where=problem.where, remedy=problem.remedy)
    value = os.environ[ref.env] if ref.env is not None else _read(Path(str(ref.file)))
    remember(value)
    return value


def missing(ref: SecretRef) -> Problem | None:
    """What is wrong with a secret's place, without reading more of it than needed; None when it is there."""
    if ref.env is not None:
        if os.environ.get(ref.env):
            return None
        state = "empty" if ref.env in os.environ else "not set"
        return Problem(
            f"the secret's environment variable {ref.env} is {state}",
            f"env {ref.env}",
            f"export {ref.env}=… before starting",
        )
    path = Path(str(ref.file))
    try:
        return (
            None
            if _read(path)
            else Problem("the secret's file is empty", str(path), "write the secret into it")
        )
    except OSError as error:
        return Problem(
            f"the secret's file cannot be read: {error.strerror}",
            str(path),
            "create it, readable by the agent only",
        )


def describe(ref: SecretRef) -> str:
    """Where a secret lives, in words."""
    return f"env {ref.env}" if ref.env is not None else f"file {ref.file}"


def remember(value: str) -> None:
    """Have `redact` hide this text, and the password inside it where it is a URI."""
    for text in (value, _password(value)):
        if len(text) >= _SHORTEST:
            _seen.add(text)


def redact(text: str) -> str:
    """The text with every secret read so far hidden."""
    for secret in sorted(_seen, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").rstrip("\r\n")


def _password(value: str) -> str:
    try:
        return unquote(urlsplit(value).password or "") if "://" in value else ""
    except ValueError:
        return ""
