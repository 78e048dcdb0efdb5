"""`coexist demo`: a legacy database, an ERP and the agent on this machine; killed, restarted, compared."""

from __future__ import annotations

import os
import sys

import click

from agent.cli.demo.estate import Estate
from agent.cli.demo.interrupts import Interrupts
from agent.cli.demo.report import Failed, report
from agent.cli.demo.screen import make_screen
from agent.cli.demo.story import Pace, tell

_STOPPED = 130


@click.command()
@click.option(
    "--seconds", default=24.0, show_default=True, type=click.FloatRange(4, 3600),
    help="How long the legacy system's users work.",
)  # fmt: skip
@click.option(
    "--rate",
    default=20.0,
    show_default=True,
    type=click.FloatRange(1, 500),
    help="Their transactions per second.",
)
@click.option(
    "--seed", default=1, show_default=True, help="The same seed makes the same book and the same users."
)
@click.option(
    "--keep", is_flag=True, help="Keep the directory with databases, records, logs and configuration."
)
def demo(seconds: float, rate: float, seed: int, keep: bool) -> None:
    """Show it all on this machine, in about a minute: exit code 0 balanced, 4 not balanced, 1 failed.

    Starts a legacy PostgreSQL and a pretend ERP on loopback, kills the agent with SIGKILL while it works, starts it
    again, and compares both sides from their own records.
    """
    screen = make_screen(sys.stdout)
    with Interrupts() as interrupts, Estate(interrupts, keep=keep) as estate:
        try:
            told = tell(estate, screen, Pace(seconds, rate), seed)
            code = report(estate, told)
        except KeyboardInterrupt:
            screen.close()
            click.echo("demo: stopped", err=True)
            code = _STOPPED
        except Failed as error:
            screen.close()
            click.echo(f"demo: failed: {error}")
            code = 1
        finally:
            screen.close()
            if keep:
                click.echo(f"demo: kept in {estate.directory}{os.sep}", err=True)
    raise SystemExit(code)
