"""Connectors in Kafka Connect: what they should be, what they are, and bringing the one to the other.

The worker is asked before anything is changed: `plan` has its own plugin judge the rendered configuration, which also tries
the login to the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from agent.connectors.rest import Connect
from agent.connectors.state import ConnectorState, FieldError
from agent.errors import ConfigError, Problem
from agent.operations import audit
from agent.store.queries import queries
from cdc_config.connector_rules import TYPED, shown
from cdc_config.connectors import TableName, connector_name, rendered
from cdc_config.models import Config, Connector, ConnectWorker, KafkaSource
from cdc_config.problems import did_you_mean

_SQL = queries("agent.operations", "connect")
_LOCK_SPACE = 0x63636F6E  # "ccon"
_STAGE_SUBJECT = "connector:{}"

Action = Literal["create", "change", "none"]


@dataclass(frozen=True, slots=True)
class Managed:
    """A source whose connector is ours to manage."""

    source: str
    settings: KafkaSource
    worker: ConnectWorker
    connector: Connector

    @property
    def name(self) -> str:
        """The connector's name in Connect."""
        return connector_name(self.source, self.settings)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One property that would change. None: it is not there (before, after). Secrets that were written out are hidden."""

    property: str
    was: str | None
    becomes: str | None


@dataclass(frozen=True, slots=True)
class ConnectPlan:
    """What `apply` would do. tables: what the connector captures, as `schema.table`."""

    source: str
    connector: str
    action: Action
    tables: tuple[str, ...]
    changes: tuple[FieldChange, ...]
    unchanged: int


@dataclass(frozen=True, slots=True)
class ConnectProgress:
    """How far the agent is with what the connector writes. silent_seconds: since it last told of anything."""

    position: int | None
    snapshot_state: str
    updated_at: datetime
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class ConnectReport:
    """One connector. state None: the worker knows of none. problem: why the worker could not be asked."""

    source: str
    connector: str
    state: ConnectorState | None
    offsets: tuple[Mapping[str, Any], ...] = ()
    progress: ConnectProgress | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConnectorChanged:
    """What was done to a connector."""

    source: str
    connector: str
    action: str


def managed(config: Config, source: str) -> Managed:
    """The source's connector. Raises ConfigError where there is none that we manage."""
    if source not in config.sources:
        raise ConfigError(f"there is no source {source!r}", remedy=did_you_mean(source, config.sources))
    settings = config.sources[source]
    if not isinstance(settings, KafkaSource):
        raise ConfigError(
            f"source {source} is captured directly, without a connector", where=f"sources.{source}.capture",
            remedy="`capture: kafka` reads it through Kafka Connect",
        )  # fmt: skip
    if settings.connect is None or settings.connector is None:
        raise ConfigError(
            f"the connector of source {source} is somebody else's: it has no `connect:` block", where=f"sources.{source}",
            remedy="add `connect:` and `connector:` to manage it; docs/guide/connectors.md says what it must look like",
        )  # fmt: skip
    return Managed(source, settings, settings.connect, settings.connector)


def managed_sources(config: Config) -> list[Managed]:
    """All connectors that we manage."""
    return [
        managed(config, name) for name, source in config.sources.items()
        if isinstance(source, KafkaSource) and source.connect is not None and source.connector is not None
    ]  # fmt: skip


def plan(it: Managed, connect: Connect, tables: Sequence[TableName]) -> tuple[ConnectPlan, dict[str, str]]:
    """What applying would do, and the whole configuration it would put there.

    Raises SourceUnavailable, and ConfigError with everything that the worker's plugin finds wrong.
    """
    if not tables:  # an empty list would capture every table there is
        raise ConfigError(f"no mapping reads source {it.source}", where=f"sources.{it.source}", remedy="add its mappings first")
    wanted = rendered(it.source, it.settings, it.connector, tables)
    _check_plugin(connect.plugins(), wanted["connector.class"], it.worker.url)
    errors = connect.validate(wanted)
    if errors:
        raise ConfigError.of([_problem(it, error, wanted) for error in errors])
    there = connect.config(it.name)
    changes = differences(there or {}, wanted)
    action: Action = "create" if there is None else "change" if changes else "none"
    listed = tuple(f"{schema}.{table}" for schema, table in tables)
    return ConnectPlan(it.source, it.name, action, listed, changes, len(wanted) - _present(changes)), wanted


def differences(there: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """Property by property, those that differ."""
    return tuple(
        FieldChange(name, _shown(name, there.get(name)), _shown(name, wanted.get(name)))
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name) != wanted.get(name)
    )


def apply(
    conn: psycopg.Connection[Any], it: Managed, connect: Connect, planned: ConnectPlan, wanted: Mapping[str, str], *,
    actor: str, reason: str,
) -> ConnectorChanged:  # fmt: skip
    """Put the configuration there; nothing is done where it is there already. The audit row names the changed properties."""
    details = {"connector": it.name, "properties": [change.property for change in planned.changes]}
    if planned.action == "none":
        return ConnectorChanged(it.source, it.name, "none")
    _audited(
        conn, f"connect.{planned.action}", it, lambda: connect.put_config(it.name, wanted), actor, reason, details
    )
    return ConnectorChanged(it.source, it.name, planned.action)


def change(
    conn: psycopg.Connection[Any], it: Managed, connect: Connect, action: Literal["pause", "resume", "stop", "restart"], *,
    actor: str, reason: str,
) -> ConnectorChanged:  # fmt: skip
    """Pause, resume, stop, or start again what failed of it (all of it, where nothing failed)."""
    state = connect.status(it.name)
    if state is None:
        raise _absent(it)
    failed = bool(state.failed) or state.state == "FAILED"
    acts: dict[str, Callable[[], None]] = {
        "pause": lambda: connect.pause(it.name),
        "resume": lambda: connect.resume(it.name),
        "stop": lambda: connect.stop(it.name),
        "restart": lambda: connect.restart(it.name, only_failed=failed),
    }
    _audited(conn, f"connect.{action}", it, acts[action], actor, reason, {"connector": it.name, "was": state.state})
    return ConnectorChanged(it.source, it.name, action)


def show(conn: psycopg.Connection[Any], it: Managed, connect: Connect) -> ConnectReport:
    """State, tasks, offsets and our own progress. Raises SourceUnavailable, ConfigError where there is no such connector."""
    state = connect.status(it.name)
    if state is None:
        raise _absent(it)
    return ConnectReport(it.source, it.name, state, connect.offsets(it.name), progress(conn, it.source))


def progress(conn: psycopg.Connection[Any], source: str) -> ConnectProgress | None:
    """How far the agent is; None: it has never read anything of the source."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL["progress"], (source,)).fetchone()
    return None if row is None else ConnectProgress(**row)


def stands(conn: psycopg.Connection[Any], source: str) -> str | None:
    """Where the source's stream stands, to be compared with where it stood; None before it was first read."""
    row = conn.execute(_SQL["stands"], (source,)).fetchone()
    return None if row is None else str(row[0])


def become_supervisor(conn: psycopg.Connection[Any], source: str) -> bool:
    """Try to be the one replica that starts this source's failed tasks again, for as long as `conn` lives."""
    row = conn.execute(_SQL["supervise"], (_LOCK_SPACE, source)).fetchone()
    return bool(row and row[0])


def complain(conn: psycopg.Connection[Any], source: str, code: str, message: str, remedy: str) -> None:
    """Open an exception about the source's connector, or bring the open one up to date."""
    subject = _STAGE_SUBJECT.format(source)
    conn.execute(_SQL["open"], {"subject": subject, "code": code, "message": message, "remedy": remedy})


def settle(conn: psycopg.Connection[Any], source: str, reason: str) -> bool:
    """Close the exception about the source's connector; whether there was one."""
    return bool(conn.execute(_SQL["close"], {"subject": _STAGE_SUBJECT.format(source), "reason": reason}).rowcount)


def complaint(conn: psycopg.Connection[Any], source: str) -> str | None:
    """The code of the open exception about the source's connector."""
    row = conn.execute(_SQL["open_code"], (_STAGE_SUBJECT.format(source),)).fetchone()
    return None if row is None else str(row[0])


def _audited(
    conn: psycopg.Connection[Any], action: str, it: Managed, act: Callable[[], None], actor: str, reason: str,
    details: Mapping[str, Any],
) -> None:  # fmt: skip
    """The audit row first, so that nothing is done which cannot be written down; it is taken back when Connect refuses."""
    with conn.transaction():
        audit.record(conn, actor, action, it.source, reason, details)
        act()


def _check_plugin(installed: Mapping[str, str], wanted: str, where: str) -> None:
    if wanted in installed:
        return
    near = get_close_matches(wanted, installed, n=1)
    there = f"it has {', '.join(sorted(installed))}" if installed else "it has none at all"
    raise ConfigError(
        f"Kafka Connect has no plugin {wanted}" + (f" (but {near[0]})" if near else ""), where=where,
        remedy=f"unpack Debezium's plugin into the worker's plugin.path and start it again; {there}",
    )  # fmt: skip


def _problem(it: Managed, error: FieldError, wanted: Mapping[str, str]) -> Problem:
    """A worker's complaint as ours: the field an operator wrote, its value, its own words."""
    field = TYPED.get(error.property, f"connector.properties[{error.property}]")
    value = _shown(error.property, wanted.get(error.property))
    said = " ".join(error.said.split()).rstrip(".")
    if error.property.endswith("jaas.config"):
        said = "the worker refuses it"  # its words repeat the value, with the password in it
    given = "" if value is None else f" ({error.property}={value})"
    return Problem(f"{field}: {said}{given}", f"sources.{it.source}", _remedy(error))


def _remedy(error: FieldError) -> str:
    if "password" in error.said.lower() or "access denied" in error.said.lower():
        return "give the worker the right password under the name that connector.password refers to"
    if error.property in TYPED:
        return f"correct `{TYPED[error.property]}`"
    return "correct or remove the property"


def _absent(it: Managed) -> ConfigError:
    return ConfigError(
        f"Kafka Connect has no connector {it.name!r}", where=it.worker.url,
        remedy=f"`coexist connect apply {it.source}` makes it",
    )  # fmt: skip


def _present(changes: Sequence[FieldChange]) -> int:
    return sum(change.becomes is not None for change in changes)


def _shown(name: str, value: str | None) -> str | None:
    return None if value is None else shown(name, value)
