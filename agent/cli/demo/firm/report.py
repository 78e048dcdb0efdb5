"""The end: all sides from their own records, the numbers, the books, the verdict."""

from __future__ import annotations

import click

from agent.cli.demo.firm.estate import Firm
from agent.cli.demo.firm.story import Told
from agent.cli.demo.report import Failed, heading, print_books, verdict
from agent.operations.books import books
from sandbox.compare import compare, render


def report(firm: Firm, told: Told) -> int:
    """Print it all; 0 when the sides agree, 4 when they differ. Raises Failed when a number is not above zero."""
    view = firm.firm_view
    assert view is not None, "no store"
    result = compare(firm.source_dsn, firm.record, psa_dsn=firm.psa_dsn)
    heading("Finance, PSA and ERP, each from its own records")
    click.echo(render(result))
    heading("What happened on the way")
    numbers = view.numbers()
    wanted = {
        "replicas killed with SIGKILL while they worked": told.replicas_killed,
        "Connect workers killed with SIGKILL": told.workers_killed,
        "restarts of Kafka": told.brokers_restarted,
        "row changes captured": numbers.captured,
        "unknown outcomes resolved by asking the ERP": numbers.resolved,
    }
    for name, value in wanted.items():
        click.echo(f"{value:8,}  {name}")
    for name, seconds in (
        ("a replica was killed", told.replica_silence),
        ("a Connect worker was started again", told.worker_silence),
        ("Kafka was restarted", told.broker_silence),
    ):
        click.echo(f"{seconds:8.1f}  seconds until something new was captured after {name}")
    heading("The agent's books")
    ledgers = books(view.store)
    print_books(ledgers)
    click.echo()
    nothing = [name for name, value in wanted.items() if value <= 0]
    if nothing:
        raise Failed("these must be above zero: " + "; ".join(nothing))
    return verdict(result, ledgers)
