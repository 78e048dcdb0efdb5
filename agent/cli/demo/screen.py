"""What the user sees: a live table on a terminal, plain lines every few seconds elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol, TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from agent.cli.demo.view import Standing

_PLAIN_EVERY = 3.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One look at everything."""

    standing: Standing
    agent: str
    committed: int
    lag: float

    def columns(self) -> list[tuple[str, str]]:
        """Names and values, in order."""
        now = self.standing
        return [
            ("legacy transactions", f"{self.committed:,}"), ("captured", f"{now.captured:,}"),
            ("events", f"{now.events:,}"), ("calls", f"{now.calls:,}"), ("queue", f"{now.queue:,}"),
            ("unknown", f"{now.unknown:,}"), ("lag", f"{self.lag:.1f} s"), ("agent", self.agent),
        ]  # fmt: skip


class Screen(Protocol):
    """Where the story is told."""

    def say(self, text: str) -> None:
        """One line of the story."""
        ...

    def show(self, frame: Frame) -> None:
        """The numbers now; called often."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was; may be called twice."""
        ...


class PlainScreen:
    """Lines."""

    def __init__(self) -> None:
        self._last = 0.0
        self._begin = time.monotonic()

    def say(self, text: str) -> None:
        """One line, with the seconds since the beginning."""
        click.echo(f"{time.monotonic() - self._begin:5.1f} s  {text}")

    def show(self, frame: Frame) -> None:
        """A line now and then."""
        if time.monotonic() - self._last >= _PLAIN_EVERY:
            self._last = time.monotonic()
            click.echo("         " + " · ".join(f"{name} {value}" for name, value in frame.columns()))

    def close(self) -> None:
        """Nothing to put back."""


class LiveScreen:
    """A table that stays in its place, the story above it."""

    def __init__(self, console: Console) -> None:
        self._begin = time.monotonic()
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        """One line above the table."""
        self._live.console.print(
            f"[dim]{time.monotonic() - self._begin:5.1f} s[/dim]  {text}", highlight=False
        )

    def show(self, frame: Frame) -> None:
        """The table anew."""
        table = Table(box=None, padding=(0, 3, 0, 0))
        for name, _ in frame.columns():
            table.add_column(name, justify="right", header_style="dim")
        dead = frame.standing.in_flight and "killed" in frame.agent
        table.add_row(*(value for _, value in frame.columns()), style="red" if dead else "bold")
        self._live.update(table)

    def close(self) -> None:
        """Remove the table, give the cursor back."""
        self._live.stop()


def make_screen(stream: TextIO) -> Screen:
    """The one that fits the stream."""
    console = Console(file=stream)
    return LiveScreen(console) if console.is_terminal and stream.isatty() else PlainScreen()
