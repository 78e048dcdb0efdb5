"""The end of the demo: both sides from their own records, one record traced, the numbers, the books, the verdict."""

from __future__ import annotations

from dataclasses import dataclass

import click

from agent.cli.demo.estate import Estate
from agent.cli.demo.traced import traced
from agent.cli.demo.view import Numbers
from agent.operations.books import Books, books
from sandbox.compare import Comparison, compare, render

_DIFFERENCES = 4


class Failed(Exception):
    """It did not happen as it should have; the text says what."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was done to the agent. captured_at_kill: row changes the store had when the agent was killed."""

    kills: int
    captured_at_kill: int


def report(estate: Estate, told: Told) -> int:
    """Print it all; 0 when the sides agree, 4 when they differ. Raises Failed when a number is not above zero."""
    assert estate.view is not None, "no store"
    result = compare(estate.source_dsn, estate.record)
    heading("Both sides, each from its own records")
    click.echo(render(result))
    heading("One record, from source row to document")
    for line in traced(estate):
        click.echo(line)
    numbers = estate.view.numbers()
    heading("What happened on the way (from the store)")
    wanted = _wanted(numbers, told)
    for name, value in wanted.items():
        click.echo(f"{value:8,}  {name}")
    heading("The agent's books")
    ledgers = books(estate.view.store)
    print_books(ledgers)
    click.echo()
    nothing = [name for name, value in wanted.items() if value <= 0]
    if nothing:
        raise Failed("these must be above zero: " + "; ".join(nothing))
    return verdict(result, ledgers)


def verdict(result: Comparison, ledgers: Books) -> int:
    """The last line, and the exit code. Raises Failed when the agent's own books do not balance."""
    if not ledgers.balanced:
        raise Failed("the agent's books do not balance")
    if result.balanced:
        click.echo("demo: balanced")
        return 0
    click.echo(f"demo: NOT balanced: {_first(result.differences)}")
    return _DIFFERENCES


def _wanted(numbers: Numbers, told: Told) -> dict[str, int]:
    # Every process that sends has a name of its own in the store; only the last one was asked to end.
    kills = min(told.kills, numbers.agents - 1)
    return {
        "agent processes killed with SIGKILL while they worked": kills,
        "row changes captured after the restart": numbers.captured - told.captured_at_kill,
        "unknown outcomes resolved by asking the ERP": numbers.resolved,
    }


def print_books(found: Books) -> None:
    """Both sides of each ledger."""
    for ledger in found.ledgers:
        left = " + ".join(f"{name} {n:,}" for name, n in ledger.left.items())
        right = " + ".join(f"{name} {n:,}" for name, n in ledger.right.items() if n)
        judged = "balanced" if ledger.difference == 0 else f"OUT OF BALANCE by {ledger.difference:+,}"
        click.echo(f"{ledger.ledger:9} {ledger.scope:8} {left} = {right or '0'}  ({judged})")


def _first(differences: tuple[str, ...]) -> str:
    more = len(differences) - 3
    return "; ".join(differences[:3]) + (f"; and {more} more" if more > 0 else "")


def heading(text: str) -> None:
    """One of the parts begins."""
    click.echo()
    click.echo(click.style(text, bold=True))
