"""`coexist exception list|show|replay|skip`."""

from __future__ import annotations

from collections.abc import Callable

import click
import orjson

from agent.cli import output
from agent.cli.session import Session, change_options, confirm, pass_session
from agent.operations import exceptions as operation


@click.group()
def exception() -> None:
    """Work that needs a person."""


@exception.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@click.option(
    "--stage", help="Only of this stage: capture, copy, merge, evaluate, validate, decide, apply, brake, baseline."
)
@click.option("--target", help="Only of this target.")
@click.option("--code", help="Only with this code.")
@click.option("--limit", default=100, show_default=True)
@output.output_option
@pass_session
def list_(
    session: Session,
    everything: bool,
    stage: str | None,
    target: str | None,
    code: str | None,
    limit: int,
    form: str,
) -> None:
    """The newest first."""
    with session.store() as conn:
        found = operation.list_exceptions(
            conn, state=None if everything else "open", stage=stage, target=target, code=code, limit=limit
        )
    if form == "json":
        output.write_json("exception.list", {"exceptions": found})
    else:
        _list(found)


@exception.command()
@click.argument("number", type=int)
@output.output_option
@pass_session
def show(session: Session, number: int, form: str) -> None:
    """One exception with its diagnostics."""
    with session.store() as conn:
        found = operation.show(conn, number)
    if form == "json":
        output.write_json("exception.show", found)
    else:
        _show(found)


@exception.command()
@click.argument("numbers", type=int, nargs=-1, required=True)
@change_options
@pass_session
def replay(
    session: Session, numbers: tuple[int, ...], reason: str, actor: str, yes: bool, dry_run: bool
) -> None:
    """Try again what was parked; let through what the brake held."""
    _change(session, "replay", operation.replay, numbers, reason, actor, yes, dry_run)


@exception.command()
@click.argument("numbers", type=int, nargs=-1, required=True)
@change_options
@pass_session
def skip(
    session: Session, numbers: tuple[int, ...], reason: str, actor: str, yes: bool, dry_run: bool
) -> None:
    """Decide against it: what it holds is not sent."""
    _change(session, "skip", operation.skip, numbers, reason, actor, yes, dry_run)


def _change(
    session: Session, word: str, change: Callable[..., operation.ExceptionChanged], numbers: tuple[int, ...], reason: str,
    actor: str, yes: bool, dry_run: bool,
) -> None:  # fmt: skip
    confirm(f"{word} exception {', '.join(map(str, numbers))}?", yes=yes, dry_run=dry_run)
    # All of them or none: a script that names ten must not find five done.
    with session.change(dry_run=dry_run) as conn:
        done = [change(conn, number, actor=actor, reason=reason) for number in numbers]
    for one in done:
        output.line(f"exception {one.exception_id}: {one.did} ({one.moved})")
    if dry_run:
        output.note("dry run: everything was taken back")


def _list(found: tuple[operation.ExceptionRow, ...]) -> None:
    output.table(
        "Exceptions",
        ("no", "since", "stage", "code", "what it is about", "message"),
        [
            (e.exception_id, f"{e.opened_at:%Y-%m-%d %H:%M}", e.stage, e.code,
             _about(e), e.message)
            for e in found
        ],
        right=("no",),
    )  # fmt: skip


def _about(found: operation.ExceptionRow) -> str:
    words = (found.target, found.object or found.entity, str(found.entity_id or found.subject))
    return " ".join(filter(None, words))


def _show(found: operation.ExceptionDetail) -> None:
    facts = [
        ("stage", found.stage), ("code", found.code), ("message", found.message), ("remedy", found.remedy),
        ("about", found.subject), ("entity", found.entity), ("entity id", found.entity_id), ("target", found.target),
        ("command", found.command_id), ("blocks", f"{found.blocks} command(s)"), ("state", found.state),
        ("since", f"{found.opened_at:%Y-%m-%d %H:%M:%S}"), ("closed by", found.closed_by), ("because", found.close_reason),
    ]  # fmt: skip
    output.table(f"Exception {found.exception_id}", ("", ""), [fact for fact in facts if fact[1] is not None])
    if found.diagnostics:
        output.line(orjson.dumps(found.diagnostics, option=orjson.OPT_INDENT_2, default=str).decode())
