"""`coexist run`: the daemon."""

from __future__ import annotations

import sys
from typing import cast

import click

from agent.cli.session import Session, pass_session
from agent.errors import ConfigError
from cdc_config.checks import missing_secrets


@click.command()
@click.option(
    "--log-format", type=click.Choice(["json", "console"]), help="Default: console on a terminal, else json."
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@pass_session
def run(session: Session, log_format: str | None, log_level: str) -> None:
    """Run the agent until SIGTERM, which drains it; a second signal ends it at once."""
    from agent.daemon.run import run as daemon
    from agent.observe import logs

    loaded = session.loaded
    problems = missing_secrets(loaded.config, loaded.tree)
    if problems:
        raise ConfigError.of(problems)
    logs.configure(cast("logs.Style | None", log_format), log_level)
    sys.exit(daemon(loaded.config, loaded.path.parent))
