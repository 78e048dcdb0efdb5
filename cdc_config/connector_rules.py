"""Which connector properties are not an operator's to change, and why: the agent reads what they make.

docs/guide/connectors.md tells the same to people: what each is for, and which are free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_REFERENCE = re.compile(r"\$\{[A-Za-z0-9_-]+:[^}]+\}")
_SECRET = re.compile(r"password|passphrase|secret|token$|credential|basic\.auth|private\.key|keystore\.key", re.IGNORECASE)
_JAAS = re.compile(r"(?:password|secret)\w*+\s*+=\s*+[\"']?+(?!\$\{)", re.IGNORECASE)


class Refusal(NamedTuple):
    """Why a property may not be given, and what to do. Never its value."""

    property: str
    what: str
    remedy: str


# Properties that have a field of their own: given twice they could differ.
TYPED: Mapping[str, str] = {
    "name": "connector.name",
    "database.hostname": "connector.hostname",
    "database.port": "connector.port",
    "database.user": "connector.user",
    "database.password": "connector.password",
    "database.dbname": "connector.dbname",
    "slot.name": "slot",
    "publication.name": "publication",
    "publication.autocreate.mode": "create",
    "database.server.id": "server_id",
    "topic.prefix": "topic",
    "signal.data.collection": "connector.signal_table",
    "heartbeat.interval.ms": "connector.heartbeat_seconds",
    "poll.interval.ms": "connector.poll_milliseconds",
    "producer.override.transaction.timeout.ms": "connector.transaction_timeout_seconds",
    "topic.creation.default.replication.factor": "connector.replication_factor",
    "topic.creation.default.retention.ms": "connector.retention_days",
    "schema.history.internal.kafka.bootstrap.servers": "connector.kafka_bootstrap_servers",
}

_READS = "the agent reads values in this form only"
_WHOLE = "a row or a column would be missing, and nobody told"
_ORDER = "rows and transaction markers must arrive in one topic, in one partition, in order"
_ONCE = "without it a restart doubles rows or tears transactions"
_LOUD = "an error would become a NULL or a gap instead of a failed task"

# (pattern, reason): first match counts.
_KEPT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"connector\.class|plugin\.name|tasks\.max(\..*)?", "the agent knows this connector, with one task, and no other"),
        (r"(key|value|header)\.converter(\..*)?|converters|post\.processors(\..*)?", _READS),
        (r"(decimal|interval|binary|hstore|bigint\.unsigned)\.handling\.mode|time\.precision\.mode", _READS),
        (r"(field|schema)\.name\.adjustment\.mode|unavailable\.value\.placeholder|sourceinfo\.struct\.maker", _READS),
        (r"provide\.transaction\.metadata|transaction\.metadata\.factory", "a transaction is put together from its markers"),
        (r"transforms(\..*)?|predicates(\..*)?", _ORDER),
        (r"topic\.(?!creation\.).*|heartbeat\.topics\.prefix|notification\..*", _ORDER),
        (r"topic\.creation\.groups|topic\.creation\.(?!default\.).*", _ORDER),
        (r"topic\.creation\.default\.(partitions|cleanup\.policy|retention\..*)", _ORDER),
        (r"message\.key\.columns", "key changes are recognised by the table's own key"),
        (r"exactly\.once\.support|transaction\.boundary(\..*)?|offsets\.storage\.topic", _ONCE),
        (r"producer\.override\.(acks|enable\.idempotence|max\.in\.flight\..*|transactional\.id|retries)", _ONCE),
        (r"skipped\.operations|skip\.messages\.without\.change", _WHOLE),
        (r"(schema|table|database)\.(include|exclude)\.list", "the captured tables are those that the mappings read"),
        (r"column\..*|snapshot\.select\.statement\.overrides(\..*)?|snapshot\.include\.collection\.list", _WHOLE),
        (r"snapshot\.query\.mode(\..*)?|gtid\.source\..*|slot\.stream\.params|publish\.via\.partition\.root", _WHOLE),
        (r"snapshot\.isolation\.mode|snapshot\.locking\.mode(\..*)?", "the snapshot must fit the stream's beginning"),
        (r"slot\.drop\.on\.stop|flush\.lsn\.source|lsn\.flush\..*", "the source must keep what has not been read"),
        (r"internal\.log\.position\.check\.enable", "a lost position must stop the connector"),
        (r"include\.schema\.changes|schema\.refresh\.mode", "the agent follows changes of a table's shape"),
        (r"errors\.tolerance|.*\.failure\.handling\.mode|inconsistent\.schema\.handling\.mode", _LOUD),
        (r"errors\.log\.include\.messages", "rows would stand in the worker's log"),
        (r"schema\.history\.internal(\.kafka\.topic|\.skip\..*)?", "tables' shapes are read from it"),
        (r"snapshot\.mode\..*", "the agent begins with the connector's own whole snapshot"),
    )
)  # fmt: skip

_SNAPSHOT_MODES = ("initial", "when_needed", "recovery")


def refusals(properties: Mapping[str, str]) -> list[Refusal]:
    """Every property an operator may not lay over the rendered ones."""
    found = [_refusal(name, value) for name, value in properties.items()]
    return [refusal for refusal in found if refusal is not None]


def is_reference(text: str) -> bool:
    """Is this whole text something Connect puts a secret in for: `${env:NAME}`, `${file:/path:key}`?"""
    return _REFERENCE.fullmatch(text) is not None


def holds_secret(name: str) -> bool:
    """Does a property of this name usually hold a secret?"""
    return _SECRET.search(name) is not None or name.endswith("jaas.config")


def shown(name: str, value: str) -> str:
    """A property's value for people: a secret that was written out is hidden, a reference is not."""
    return "***" if _written_out(name, value) else value


def _refusal(name: str, value: str) -> Refusal | None:
    if name in TYPED:
        return Refusal(name, "this property has a field of its own", f"write it as `{TYPED[name]}`")
    reason = _kept(name)
    if reason is not None:
        return Refusal(name, f"this property cannot be changed: {reason}", "remove it")
    if name == "snapshot.mode" and value not in _SNAPSHOT_MODES:
        modes = ", ".join(_SNAPSHOT_MODES)
        return Refusal(name, "the agent needs the connector's own snapshot before the stream", f"one of {modes}, or remove it")
    if _written_out(name, value):
        remedy = "write ${env:NAME} or ${file:/path:key}, which Connect resolves, and give the worker the secret"
        return Refusal(name, "a secret is written out here", remedy)
    return None


def _kept(name: str) -> str | None:
    return next((reason for pattern, reason in _KEPT if pattern.fullmatch(name)), None)


def _written_out(name: str, value: str) -> bool:
    if name.endswith("jaas.config"):
        return _JAAS.search(value) is not None
    return holds_secret(name) and value != "" and not is_reference(value)
