"""`coexist trace`: the story of one record."""

from __future__ import annotations

from typing import Any

import click
import orjson

from agent.cli import output
from agent.cli.session import Session, pass_session
from agent.errors import PolicyRefused
from agent.operations import trace as operation


@click.command()
@click.argument("text")
@click.option("--entity", help="Only this kind, where the text names several.")
@click.option("--limit", default=50, show_default=True, help="Events and commands shown, the newest.")
@output.output_option
@pass_session
def trace(session: Session, text: str, entity: str | None, limit: int, form: str) -> None:
    """From source row to cloud document. TEXT is an entity id, a source key, a native id or an external key."""
    with session.store() as conn:
        found = [match for match in operation.find(conn, text) if entity in (None, match[0])]
        if not found:
            raise PolicyRefused(
                f"nothing is known by {text!r}",
                remedy="composite source keys are written with /: DE01/R25-0000001",
            )
        stories = [operation.trace(conn, name, entity_id, limit=limit) for name, entity_id in found]
    if form == "json":
        output.write_json("trace", {"traces": stories})
    else:
        for story in stories:
            _print(story)


def _print(story: operation.Trace) -> None:
    output.line(f"{story.entity} {story.entity_id}", "bold")
    for key in story.keys:
        output.line(
            f"  key     {key['source']}: {key['key_text']}{'' if key['valid_to'] is None else ' (left)'}"
        )
    calls = {
        event.event_id: [c for c in story.commands if c.event_id == event.event_id] for event in story.events
    }
    for event in story.events:
        output.line(
            f"  row     {event.source} transaction {event.txn_no} (xid {event.xid}) at {output.lsn(event.commit_pos)},"
            f" committed {event.committed_at:%Y-%m-%d %H:%M:%S}"
        )
        output.line(
            f"  event   {event.event_id} {event.event_type} by {event.mapping} {event.mapping_version}"
        )
        for name, values in event.changes.items():
            before, after = values if isinstance(values, list) and len(values) == 2 else (None, values)
            output.line(f"            {name}: {_short(before)} → {_short(after)}", "dim")
        for command in calls[event.event_id]:
            _command(command)
    for command in story.commands:
        if command.event_id not in calls:
            _command(command)
    _rest(story)


def _command(command: operation.CommandTrace) -> None:
    step = f" to {command.step}" if command.step else ""
    because = f" ({command.reason})" if command.reason else ""
    output.line(f"  rule    {command.rule or '–'}")
    output.line(
        f"  command {command.command_id} {command.target} {command.object} {command.kind}{step}: {command.state}{because}"
    )
    for call in command.calls:
        output.line(
            f"    call  {call.call_id} {call.action} {_short(call.external_key)} digest {call.digest}"
        )
        for outcome in call.outcomes:
            told = " ".join(str(outcome[name]) for name in ("status", "code", "message") if outcome[name])
            output.line(
                f"      {outcome['at']:%H:%M:%S} {outcome['kind']} {told} {outcome['native_id'] or ''}".rstrip()
            )


def _rest(story: operation.Trace) -> None:
    for record in story.records:
        output.line(
            f"  record  {record['target']} {_short(record['external_key'])} {record['lifecycle']}"
            f" native id {record['native_id'] or '–'}"
        )
    for reference in story.cross_references:
        output.line(
            f"  xref    {reference['system']}: {reference['native_id']} ({reference['role']}, {reference['method']})"
        )
    for exception in story.exceptions:
        style = "yellow" if exception["state"] == "open" else "dim"
        output.line(
            f"  exception {exception['exception_id']} {exception['state']} {exception['code']}: {exception['message']}",
            style,
        )


def _short(value: Any) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 80 else f"{text[:77]}…"
