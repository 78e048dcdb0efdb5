"""`coexist source resnapshot` and `coexist store accept-restore`."""

from __future__ import annotations

import click

from agent.cli import output
from agent.cli.session import Session, change_options, confirm, pass_session
from agent.errors import ConfigError
from agent.operations import restores
from cdc_config.problems import did_you_mean


@click.group()
def source() -> None:
    """The legacy databases that are captured."""


@source.command()
@click.argument("name")
@change_options
@pass_session
def resnapshot(session: Session, name: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Read every mapped table of a source anew: after a lost slot, a restore, or a newly mapped table."""
    known = session.loaded.config.sources
    if name not in known:
        raise ConfigError(f"there is no source {name!r}", remedy=did_you_mean(name, known))
    confirm(f"read all of {name} anew?", yes=yes, dry_run=dry_run)
    with session.change(dry_run=dry_run) as conn:
        done = restores.resnapshot(conn, name, actor=actor, reason=reason)
    output.line(
        f"source {name} will be read anew, as incarnation {done.incarnation}{_taken_back(dry_run=dry_run)}"
    )


@click.group()
def store() -> None:
    """The agent's own database."""


@store.command("accept-restore")
@change_options
@pass_session
def accept_restore(session: Session, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Take a restored store as it is: every record is then asked about before it is written."""
    confirm("is the original of this store gone for good?", yes=yes, dry_run=dry_run)
    with session.change(dry_run=dry_run) as conn:
        done = restores.accept_restore(conn, actor=actor, reason=reason)
    output.line(f"store accepted; {done.records} record(s) will be asked about{_taken_back(dry_run=dry_run)}")


def _taken_back(*, dry_run: bool) -> str:
    return " (dry run: taken back)" if dry_run else ""
