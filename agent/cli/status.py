"""`coexist status`: how far everything is."""

from __future__ import annotations

import click

from agent.cli import output
from agent.cli.session import Session, pass_session
from agent.model.commands import CommandState
from agent.operations.status import Status
from agent.operations.status import status as read


@click.command()
@output.output_option
@pass_session
@click.pass_context
def status(ctx: click.Context, session: Session, form: str) -> None:
    """Streams, targets, commands and exceptions. Exit code 3 when something needs a person."""
    with session.store() as conn:
        found = read(conn)
    if form == "json":
        output.write_json("status", found)
    else:
        _tables(found)
    ctx.exit(3 if found.degraded else 0)


def _tables(found: Status) -> None:
    output.table(
        "Sources",
        ("source", "snapshot", "position", "derived", "captured", "inbox rows", "dirty", "lag"),
        [
            (s.source, s.snapshot_state, output.lsn(s.position), output.lsn(s.derived_position), s.captured, s.inbox_rows,
             s.dirty, output.age(s.lag_seconds))
            for s in found.streams
        ],
        right=("captured", "inbox rows", "dirty", "lag"),
    )  # fmt: skip
    states = [state.value for state in CommandState]
    output.table(
        "Targets",
        ("target", "tenant", "baseline", "held", *states),
        [
            (t.target, t.tenant, t.baseline_done, t.held, *(t.commands.get(state, 0) for state in states))
            for t in found.targets
        ],
        right=states,
    )
    output.table("Open exceptions", ("stage", "open"), sorted(found.open_exceptions.items()), right=("open",))
    for text in found.degraded:
        output.line(text, "yellow")
