"""`coexist connect list|show|plan|apply|pause|resume|stop|restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from agent.cli import output
from agent.cli.session import Session, change_options, confirm, pass_session
from agent.errors import CoexistError

if TYPE_CHECKING:
    from agent.operations.connect import ConnectPlan, ConnectReport

Change = Literal["pause", "resume", "stop", "restart"]


@click.group()
def connect() -> None:
    """The Debezium connectors in Kafka Connect that sources are read through."""


@connect.command("list")
@output.output_option
@pass_session
@click.pass_context
def list_(ctx: click.Context, session: Session, form: str) -> None:
    """Every connector we manage, with its state. Exit code 3 when one of them does not run or cannot be asked about."""
    from agent.connectors.rest import Connect
    from agent.operations import connect as operation

    reports = []
    for it in operation.managed_sources(session.loaded.config):
        try:
            reports.append(operation.ConnectReport(it.source, it.name, Connect(it.worker).status(it.name)))
        except CoexistError as error:
            reports.append(operation.ConnectReport(it.source, it.name, None, problem=error.what))
    if form == "json":
        output.write_json("connect.list", {"connectors": reports})
    else:
        output.table("Connectors", ("source", "connector", "state", "tasks", "why"), [_row(r) for r in reports])
    ctx.exit(0 if all(r.state is not None and r.state.running for r in reports) else 3)


@connect.command()
@click.argument("source")
@output.output_option
@pass_session
def show(session: Session, source: str, form: str) -> None:
    """State, tasks and why they failed, offsets, and how far the agent is with what the connector writes."""
    from agent.connectors.rest import Connect
    from agent.operations import connect as operation

    it = operation.managed(session.loaded.config, source)
    with session.store() as conn:
        report = operation.show(conn, it, Connect(it.worker))
    if form == "json":
        output.write_json("connect.show", report)
    else:
        _show(report)


@connect.command()
@click.argument("source")
@output.output_option
@pass_session
@click.pass_context
def plan(ctx: click.Context, session: Session, source: str, form: str) -> None:
    """What `apply` would change, after the worker's own check. Exit code 4 when something would, 7 when Connect is away."""
    from agent.connectors.rest import Connect
    from agent.operations import connect as operation
    from agent.wiring.source import tables_to_capture

    it = operation.managed(session.loaded.config, source)
    planned, _ = operation.plan(it, Connect(it.worker), tables_to_capture(session.loaded.config, source))
    if form == "json":
        output.write_json("connect.plan", planned)
    else:
        _plan(planned)
    ctx.exit(0 if planned.action == "none" else 4)


@connect.command()
@click.argument("source")
@change_options
@pass_session
def apply(session: Session, source: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Make or change the connector, so that it is what the configuration says."""
    from agent.connectors.rest import Connect
    from agent.operations import connect as operation
    from agent.wiring.source import tables_to_capture

    it = operation.managed(session.loaded.config, source)
    client = Connect(it.worker)
    planned, wanted = operation.plan(it, client, tables_to_capture(session.loaded.config, source))
    _plan(planned)
    if planned.action == "none" or dry_run:
        return
    confirm(f"{planned.action} connector {planned.connector}?", yes=yes, dry_run=dry_run)
    with session.store() as conn:
        done = operation.apply(conn, it, client, planned, wanted, actor=actor, reason=reason)
    output.line(f"connector {done.connector} {'made' if done.action == 'create' else 'changed'}")


@connect.command()
@click.argument("source")
@change_options
@pass_session
def pause(session: Session, source: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Let the connector stop reading for a while. The source keeps its log meanwhile: watch its disk."""
    _change(session, source, "pause", reason, actor, yes, dry_run)


@connect.command()
@click.argument("source")
@change_options
@pass_session
def resume(session: Session, source: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Let a paused or stopped connector go on where it was."""
    _change(session, source, "resume", reason, actor, yes, dry_run)


@connect.command()
@click.argument("source")
@change_options
@pass_session
def stop(session: Session, source: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """End the connector's tasks; its configuration and offsets stay. The source keeps its log meanwhile: watch its disk."""
    _change(session, source, "stop", reason, actor, yes, dry_run)


@connect.command()
@click.argument("source")
@change_options
@pass_session
def restart(session: Session, source: str, reason: str, actor: str, yes: bool, dry_run: bool) -> None:
    """Start again what failed of the connector; all of it, where nothing failed."""
    _change(session, source, "restart", reason, actor, yes, dry_run)


_DONE = {"pause": "paused", "resume": "resumed", "stop": "stopped", "restart": "started again"}


def _change(
    session: Session, source: str, action: Change, reason: str, actor: str, yes: bool, dry_run: bool
) -> None:
    from agent.connectors.rest import Connect
    from agent.operations import connect as operation

    it = operation.managed(session.loaded.config, source)
    confirm(f"{action} connector {it.name}?", yes=yes, dry_run=dry_run)
    client = Connect(it.worker)
    if dry_run:
        state = client.status(it.name)
        output.line(f"connector {it.name} would be {_DONE[action]}; it is {state.state if state else 'not there'}")
        return
    with session.store() as conn:
        done = operation.change(conn, it, client, action, actor=actor, reason=reason)
    output.line(f"connector {done.connector} {_DONE[action]}")


def _row(report: ConnectReport) -> tuple[object, ...]:
    state = report.state
    if state is None:
        return report.source, report.connector, None, None, report.problem or "Kafka Connect has no such connector"
    return report.source, report.connector, state.state, ", ".join(task.state for task in state.tasks), state.why


def _show(report: ConnectReport) -> None:
    assert report.state is not None
    progress = report.progress
    facts: list[tuple[object, object]] = [("state", report.state.state), ("worker", report.state.worker)]
    if progress is not None:
        facts += [
            ("snapshot", progress.snapshot_state),
            ("agent's position", progress.position),
            ("silent for", output.age(progress.silent_seconds)),
        ]
    output.table(f"{report.connector} (source {report.source})", ("", ""), facts)
    tasks = [(task.id, task.state, task.worker, task.trace) for task in report.state.tasks]
    output.table("Tasks", ("task", "state", "worker", "why"), tasks)
    offsets = [f"{key}={value}" for entry in report.offsets for key, value in (entry.get("offset") or {}).items()]
    output.table("Offsets", ("in the source",), [(text,) for text in offsets])


def _plan(planned: ConnectPlan) -> None:
    verdict = {"create": "would be made", "change": "would change", "none": "is as it should be"}[planned.action]
    size = f"{len(planned.tables)} tables, {planned.unchanged} properties unchanged"
    output.line(f"connector {planned.connector} {verdict}: {size}")
    if planned.changes:
        rows = [(change.property, change.was, change.becomes) for change in planned.changes]
        output.table("Changes", ("property", "is", "becomes"), rows)
