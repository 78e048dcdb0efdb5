"""`coexist demo-kafka`: finance on PostgreSQL and PSA on MariaDB through Debezium and Kafka, two replicas, and trouble."""

from __future__ import annotations

import os
import sys

import click

from agent.cli.demo.interrupts import Interrupts
from agent.cli.demo.report import Failed
from agent.cli.demo.screen import make_screen

_STOPPED = 130


@click.command("demo-kafka")
@click.option(
    "--seconds", default=40.0, show_default=True, type=click.FloatRange(10, 3600),
    help="How long the legacy systems' users work.",
)  # fmt: skip
@click.option(
    "--rate", default=10.0, show_default=True, type=click.FloatRange(1, 200),
    help="Their transactions per second, in each system.",
)  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same books and the same users.")
@click.option("--keep", is_flag=True, help="Keep the directory with databases, records, logs and configuration.")
def demo_kafka(seconds: float, rate: float, seed: int, keep: bool) -> None:
    """The production-shaped line on this machine, in a few minutes: exit code 0 balanced, 4 not balanced, 1 failed.

    Starts PostgreSQL, MariaDB, Kafka, Kafka Connect with Debezium and a pretend ERP on loopback, and two replicas of the
    agent; kills one replica and the Connect worker, restarts Kafka, and compares all sides from their own records.
    Needs Java 17, Maven and MariaDB; Kafka and Debezium are fetched.
    """
    from agent.cli.demo.firm.estate import Firm
    from agent.cli.demo.firm.report import report
    from agent.cli.demo.firm.story import tell
    from agent.cli.demo.story import Pace
    from sandbox.stack.errors import StackError

    screen = make_screen(sys.stdout)
    with Interrupts() as interrupts, Firm(interrupts, keep=keep) as firm:
        try:
            told = tell(firm, screen, Pace(seconds, rate), seed)
            code = report(firm, told)
        except KeyboardInterrupt:
            screen.close()
            click.echo("demo: stopped", err=True)
            code = _STOPPED
        except (Failed, StackError) as error:
            screen.close()
            click.echo(f"demo: failed: {error}")
            code = 1
        finally:
            screen.close()
            if keep:
                click.echo(f"demo: kept in {firm.directory}{os.sep}", err=True)
    raise SystemExit(code)
