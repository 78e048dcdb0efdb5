"""What every command shares: the configuration, the store, and how a change is asked for."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agent.errors import PolicyRefused
from cdc_config.loader import Loaded, load

if TYPE_CHECKING:
    import psycopg

F = TypeVar("F", bound=Callable[..., Any])


class Session:
    """One invocation of the command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def loaded(self) -> Loaded:
        """The configuration, read when first asked for."""
        return load(self.path)

    @contextmanager
    def store(self) -> Iterator[psycopg.Connection]:
        """A connection to the store. An embedded server that was not running is stopped again afterwards."""
        from agent.store.connect import connect, open_store

        store = open_store(self.loaded.config, self.loaded.path.parent)
        try:
            with connect(store.dsn) as conn:
                yield conn
        finally:
            store.close(stop_adopted=False)

    @contextmanager
    def change(self, *, dry_run: bool) -> Iterator[psycopg.Connection]:
        """The store inside one transaction; a dry run does everything and takes it back."""
        with self.store() as conn, conn.transaction(force_rollback=dry_run):
            yield conn


def change_options(command: F) -> F:
    """--reason, --actor, --yes and --dry-run, as every change has them."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Show what would happen, and take it back."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--actor", default=getpass.getuser, show_default="the user's name", help="Who does it."),
        click.option("-r", "--reason", required=True, help="Why; it is kept in the audit trail."),
    ):
        command = option(command)
    return command


def confirm(question: str, *, yes: bool, dry_run: bool) -> None:
    """Ask on a terminal; elsewhere insist on --yes. Raises PolicyRefused, click.Abort."""
    if yes or dry_run:
        return
    if not sys.stdin.isatty():
        raise PolicyRefused(
            f"not done without a yes: {question}", remedy="add --yes, or --dry-run to see what would happen"
        )
    click.confirm(question, abort=True, err=True)


pass_session = click.make_pass_decorator(Session)
