"""`coexist config check`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from agent.cli import output
from agent.cli.session import Session, pass_session
from agent.errors import ConfigError
from cdc_config.checks import missing_secrets
from cdc_config.loader import config_digest


@click.group()
def config() -> None:
    """The configuration."""


@config.command()
@click.option("--no-secrets", is_flag=True, help="Do not ask whether the secrets are there.")
@output.output_option
@pass_session
def check(session: Session, no_secrets: bool, form: str) -> None:
    """Read and check it all: files, fields, names, rules, secrets. Exit code 2 when something is wrong."""
    loaded = session.loaded
    problems = [] if no_secrets else missing_secrets(loaded.config, loaded.tree)
    if problems:
        raise ConfigError.of(problems)
    summary: Mapping[str, object] = {
        "digest": config_digest(loaded.config),
        "files": [str(path) for path in loaded.files],
        "sources": list(loaded.config.sources),
        "mappings": list(loaded.config.mappings),
        "value_maps": list(loaded.config.value_maps),
        "ownership": {
            "version": loaded.config.ownership.version,
            "rules": len(loaded.config.ownership.rules),
        },
        "targets": {name: target.profile for name, target in loaded.config.targets.items()},
    }
    if form == "json":
        output.write_json("config.check", summary)
    else:
        _table(summary)


def _table(summary: Mapping[str, object]) -> None:
    output.table(
        "Configuration", ("what", "value"), [(name, _text(value)) for name, value in summary.items()]
    )
    output.line("the configuration is right", "green")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {inner}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
