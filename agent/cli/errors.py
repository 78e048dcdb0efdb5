"""Errors as a person reads them: what, where, what to do; and the exit code that goes with it. Never a traceback."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import click
import psycopg

from agent.errors import CoexistError, ConfigError, Problem, StoreUnavailable
from cdc_config.secrets import redact


class Guarded(click.Group):
    """A group that finds its commands by "module:attribute" and turns every error into text and exit code."""

    commands_by_name: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it now."""
        place = self.commands_by_name.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            return _absent(cmd_name)
        assert isinstance(command, click.Command)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """click's main, behind the guard."""
        standalone = kwargs.pop("standalone_mode", True)
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:
            click.echo("aborted", err=True)
            code = 1
        except Exception as error:
            if os.environ.get("COEXIST_DEBUG"):
                raise
            code = report(error)
        if standalone:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def report(error: Exception) -> int:
    """Print an error to stderr; returns its exit code."""
    if isinstance(error, psycopg.OperationalError):
        error = StoreUnavailable(
            f"the store went away: {str(error).strip()}", remedy="try again; see its log"
        )
    if not isinstance(error, CoexistError):
        _say(
            Problem(
                f"internal error: {type(error).__name__}: {error}", "", "set COEXIST_DEBUG=1 to see where"
            )
        )
        return 1
    problems = (
        error.problems
        if isinstance(error, ConfigError)
        else (Problem(error.what, error.where, error.remedy),)
    )
    for problem in problems:
        _say(problem)
    return error.exit_code


def _say(problem: Problem) -> None:
    click.echo(
        f"{click.style('error', fg='red', bold=True)}: {redact(problem.what)}", err=True, color=_color()
    )
    if problem.where:
        click.echo(f"  where:  {redact(problem.where)}", err=True)
    if problem.remedy:
        click.echo(f"  remedy: {redact(problem.remedy)}", err=True)


def _color() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def _absent(name: str) -> click.Command:
    def refuse() -> None:
        raise CoexistError(f"this installation has no `{name}`", remedy="install the whole distribution")

    return click.Command(name, callback=refuse, help="Not part of this installation.")
