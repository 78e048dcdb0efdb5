"""Data on stdout: tables for people, versioned JSON for scripts."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table

VERSION = 1
_WIDE = 200  # columns where there is no terminal to ask: a file or pipe is not cut at 80

F = TypeVar("F", bound=Callable[..., Any])


def output_option(command: F) -> F:
    """-o table|json."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Form of the data.",
    )(command)


def write_json(kind: str, data: Any) -> None:
    """One JSON object: {"version": 1, "kind": …, …}."""
    body = plain(data)
    whole = {"version": VERSION, "kind": kind, **(body if isinstance(body, dict) else {"items": body})}
    click.echo(orjson.dumps(whole, default=_other, option=orjson.OPT_INDENT_2).decode())


def plain(data: Any) -> Any:
    """Dataclasses as dictionaries, with the properties that a reader would otherwise compute."""
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        found = {f.name: plain(getattr(data, f.name)) for f in dataclasses.fields(data)}
        for name, value in vars(type(data)).items():
            if isinstance(value, property):
                found[name] = plain(getattr(data, name))
        return found
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    return data


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """One table; nothing at all when it would be empty, but a line that says so."""
    found = [[_cell(value) for value in row] for row in rows]
    if not found:
        console().print(f"{title}: none", style="dim")
        return
    shown = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim"
    )
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in found:
        shown.add_row(*row)
    out = console()
    with out.capture() as captured:
        out.print(shown)
    # rich pads every line to the full width, which a pipe would carry along.
    click.echo("\n".join(text.rstrip() for text in captured.get().splitlines()))


def line(text: str, style: str = "") -> None:
    """One line of data for people."""
    console().print(text, style=style, markup=False)


def note(text: str) -> None:
    """Chatter: stderr."""
    click.echo(text, err=True)


def console() -> Console:
    """stdout, as wide as it is."""
    width = None if sys.stdout.isatty() else _WIDE
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def lsn(position: int | None) -> str:
    """A commit position as PostgreSQL prints it."""
    return "–" if not position else f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def age(seconds: float) -> str:
    """A duration in the largest unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return str(value)


def _other(value: object) -> object:
    if isinstance(value, Decimal | Path):
        return str(value)
    raise TypeError(type(value).__name__)
