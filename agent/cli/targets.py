"""`coexist target pause|resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from agent.cli import output
from agent.cli.session import Session, change_options, confirm, pass_session
from agent.errors import ConfigError
from agent.operations import targets
from cdc_config.problems import did_you_mean


@click.group()
def target() -> None:
    """The cloud systems that are written to."""


@target.command()
@click.argument("name")
@change_options
@pass_session
def pause(session: Session, name: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Stop all writes to a target at once. Never asks: it is the brake."""
    _change(session, targets.pause, name, reason, actor, dry_run, "paused", "was paused already")


@target.command()
@click.argument("name")
@change_options
@pass_session
def resume(session: Session, name: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Let writes go on, also after the agent itself stopped the target."""
    _known(session, name)
    confirm(f"let writes to {name} go on?", yes=yes, dry_run=dry_run)
    _change(session, targets.resume, name, reason, actor, dry_run, "resumed", "was not held")


def _change(
    session: Session,
    operation: Callable[..., Any],
    name: str,
    reason: str,
    actor: str,
    dry_run: bool,
    did: str,
    was: str,
) -> None:
    _known(session, name)
    with session.change(dry_run=dry_run) as conn:
        done = operation(conn, name, actor=actor, reason=reason)
    output.line(f"target {name} {did if done.changed else was}{' (dry run: taken back)' if dry_run else ''}")


def _known(session: Session, name: str) -> None:
    known = session.loaded.config.targets
    if name not in known:
        raise ConfigError(f"there is no target {name!r}", remedy=did_you_mean(name, known))
