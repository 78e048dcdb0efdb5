"""One record's story in a few lines: source row → event → rule → call → document."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import orjson
from psycopg import sql
from psycopg.rows import dict_row

from agent.cli import output
from agent.cli.demo.estate import Estate
from agent.operations.exceptions import key_values
from agent.operations.trace import CallTrace, CommandTrace, EventTrace, trace

# Where the legacy system keeps what became the object, its key, and what of it is worth a line.
_SOURCE = {
    "customer": ("arcust", ("cust_no",), ("nm", "cty", "seg_cd")),
    "customer_account": ("arcuco", ("co_cd", "cust_no"), ("trm_cd", "cr_lim", "hld_flg")),
    "invoice": ("arinvh", ("co_cd", "inv_no"), ("cust_no", "sta_cd", "tot_am", "cur")),
    "payment": ("arpay", ("co_cd", "pay_no"), ("cust_no", "pay_am", "cur")),
}
_TARGET = {
    "customer": ("party", ("party_number",), ("name", "city", "segment")),
    "customer_account": ("customer_account", ("data_area_id", "customer_account"), ("payment_terms_name",)),
    "invoice": (
        "invoice",
        ("data_area_id", "invoice_number"),
        ("document_status", "voucher_number", "total_cents"),
    ),
    "payment": (
        "payment",
        ("data_area_id", "journal_number"),
        ("voucher_number", "amount_cents", "is_reversed"),
    ),
}


def traced(estate: Estate) -> Iterator[str]:
    """The story of a record whose call had an unknown outcome."""
    assert estate.view is not None, "no store"
    told = estate.view.told()
    if told is None:
        yield "no call had an unknown outcome that was found"
        return
    story = trace(estate.view.store, told.object, told.entity_id)
    command = next(c for c in story.commands if c.command_id == told.command_id)
    event = next(e for e in story.events if e.event_id == command.event_id)
    yield from _row(estate, told.object, event)
    yield from _event(event)
    yield f"  rule      {command.rule or '–'}"
    yield from _command(command)
    for record in story.records:
        yield from _document(estate, told.object, record)


def _row(estate: Estate, name: str, event: EventTrace) -> Iterator[str]:
    table, key, columns = _SOURCE[name]
    assert estate.view is not None, "no store"
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("fin", table),
        sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in key),
    )  # fmt: skip
    with estate.view.source.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, key_values(event.source_key)).fetchone()
    values = _pairs(row) if row else "(deleted or renumbered since)"
    yield f"  row       fin.{table} {event.source_key}: {values}"
    yield f"            xid {event.xid} at {output.lsn(event.commit_pos)}, committed {event.committed_at:%H:%M:%S.%f}"[
        :-3
    ]


def _event(event: EventTrace) -> Iterator[str]:
    yield f"  event     {event.event_id} {event.event_type} by {event.mapping}, version {event.mapping_version}"
    changes = {name: (before, after) for name, (before, after) in event.changes.items() if before != after}
    for name, (before, after) in list(changes.items())[:4]:
        yield f"            {name}: {_short(before)} → {_short(after)}"
    if len(changes) > 4:
        yield f"            … and {len(changes) - 4} more fields"


def _command(command: CommandTrace) -> Iterator[str]:
    step = f" to {command.step}" if command.step else ""
    yield f"  command   {command.command_id} {command.object} {command.kind}{step}: {command.state}"
    for call in command.calls:
        yield from _call(call)


def _call(call: CallTrace) -> Iterator[str]:
    yield f"  call      {call.call_id} {call.action} {_short(call.external_key)} digest {call.digest[:12]}"
    for outcome in call.outcomes:
        said = " ".join(str(outcome[n]) for n in ("status", "code", "message") if outcome[n])
        yield f"            {outcome['at']:%H:%M:%S.%f}"[:-3] + f" {outcome['kind']} {said}".rstrip()


def _document(estate: Estate, name: str, record: Mapping[str, Any]) -> Iterator[str]:
    table, key, columns = _TARGET[name]
    # A corrected document ends in its latest successor.
    held = record["documents"][-1]["external_key"] if record["documents"] else record["external_key"]
    values = [v for k, v in held.items() if k == "dataAreaId"] + [
        v for k, v in held.items() if k != "dataAreaId"
    ]
    if name == "payment":
        values = [held.get("dataAreaId"), record["native_id"]]
    where = " AND ".join(f"{column} = ?" for column in key)
    with closing(sqlite3.connect(f"file:{estate.record}?mode=ro", uri=True)) as conn:
        conn.row_factory = sqlite3.Row
        row = conn.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", values).fetchone()
    shown = _pairs(dict(row)) if row else "(not there under this key any more)"
    yield f"  document  {record['target']} {table} {'/'.join(map(str, values))}: {shown}"


def _pairs(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {str(value).strip() or '–'}" for name, value in row.items())


def _short(value: Any) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 70 else f"{text[:67]}…"
