"""`coexist map check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli import output
from agent.cli.session import Session, pass_session
from agent.errors import ConfigError, MappingError
from cdc_config.problems import did_you_mean

if TYPE_CHECKING:
    from agent.operations.mappings import MappingReport


@click.group("map")
def maps() -> None:
    """The mappings."""


@maps.command()
@click.argument("names", nargs=-1)
@output.output_option
@pass_session
def check(session: Session, names: tuple[str, ...], form: str) -> None:
    """Compile each mapping against its source as it is now. Exit code 2 when one is wrong, 7 when a source is away."""
    from agent.operations.mappings import check_mappings

    config = session.loaded.config
    for name in names:
        if name not in config.mappings:
            raise ConfigError(f"there is no mapping {name!r}", remedy=did_you_mean(name, config.mappings))
    reports = check_mappings(config, names)
    if form == "json":
        output.write_json("map.check", {"mappings": reports})
    else:
        _table(reports)
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        raise MappingError.of(problems)


def _table(reports: tuple[MappingReport, ...]) -> None:
    for report in reports:
        facts = [
            ("entity", report.entity),
            ("file", report.sql),
            ("version", report.version),
            ("root", report.root),
            ("key", ", ".join(report.key)),
            ("reads", "\n".join(report.tables)),
            ("indexes in the mirror", "\n".join(report.required_indexes)),
            ("reach every entity", ", ".join(report.every_root)),
        ]
        verdict = "right" if report.right else f"{len(report.problems)} problem(s)"
        output.table(f"{report.name}: {verdict}", ("", ""), [fact for fact in facts if fact[1]])
