"""The configuration's typed shape: store, sources, mappings, value maps, ownership, targets."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from cdc_config.base import ConfigModel, SecretRef
from cdc_config.profile import Limits


class EmbeddedStore(ConfigModel):
    """The PostgreSQL out of the wheel, in `directory` (relative to the configuration file)."""

    directory: Path = Path("var/store")
    port: int | None = None
    settings: dict[str, str] = Field(default_factory=dict)


class StoreConfig(ConfigModel):
    """Exactly one of dsn (secret reference to a libpq URI) and embedded."""

    dsn: SecretRef | None = None
    embedded: EmbeddedStore | None = None


class PostgresSource(ConfigModel):
    """A PostgreSQL legacy database, captured over logical replication."""

    capture: Literal["postgres"] = "postgres"
    dsn: SecretRef
    publication: str = "coexist"
    slot: str = "coexist"
    create: bool = True  # false: publication and slot are made by the DBA from printed SQL
    snapshot_rows_per_second: int | None = None
    max_slice_rows: int = 8192
    mappings: tuple[str, ...] = ()


class KafkaConnection(ConfigModel):
    """How to reach the brokers; the names are those of Kafka's clients."""

    bootstrap_servers: str  # host:port, more of them with commas between
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretRef | None = None
    ssl_ca_location: Path | None = None


class ConnectWorker(ConfigModel):
    """The Kafka Connect cluster that runs our connector, by its REST interface."""

    url: str
    username: str | None = None
    password: SecretRef | None = None
    ssl_ca_location: Path | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 30.0


class Connector(ConfigModel):
    """What only this connector needs to be told; all else is rendered from the source and from measured defaults.

    name: the connector's in Connect; the topic's when left out. dbname: PostgreSQL only. password and kafka_password: what
    Connect puts in when it starts the connector (`${env:LEGACY_PASSWORD}`, `${file:…}`), never the password itself.
    kafka_…: the brokers as the worker sees them, for MariaDB's schema history; the source's own when left out.
    signal_table: `schema.table` for Debezium's signals, where there is one. replication_factor: -1 is the brokers' default.
    restarts: of failed tasks, before a person has to look. properties: laid over what is rendered.
    """

    name: str | None = None
    hostname: str
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    user: str
    password: str
    dbname: str | None = None
    kafka_bootstrap_servers: str | None = None
    kafka_password: str | None = None
    signal_table: str | None = None
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 10.0
    poll_milliseconds: Annotated[int, Field(gt=0)] = 10
    transaction_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    replication_factor: Annotated[int, Field(ge=-1)] = -1
    retention_days: Annotated[float, Field(gt=0)] = 14.0
    restarts: Annotated[int, Field(ge=0)] = 5
    properties: dict[str, str] = Field(default_factory=dict)


class KafkaSource(ConfigModel):
    """A legacy database captured by Debezium through Kafka Connect, read from one ordered topic.

    dsn: the database itself, read-only: the shapes of its tables, its foreign keys, which incarnation it is.
    topic: coexist.<source> when left out; the connector's own prefix too, so that another topic begins with a snapshot.
    connect and connector: given, `coexist connect` manages the connector; left out, somebody else does.
    publication, slot and create (false: the publication is the DBA's): PostgreSQL only. server_id: MariaDB only, the
    connector's number among the replicas.
    """

    capture: Literal["kafka"]
    database: Literal["postgres", "mariadb"]
    dsn: SecretRef
    kafka: KafkaConnection
    topic: str | None = None
    group: str = "coexist"
    connect: ConnectWorker | None = None
    connector: Connector | None = None
    publication: str = "coexist"
    slot: str = "coexist"
    create: bool = True
    server_id: Annotated[int, Field(gt=0, lt=2**32)] | None = None
    max_slice_rows: int = 8192
    mappings: tuple[str, ...] = ()


def _capture(source: object) -> str:
    """Which kind of source a block describes; PostgreSQL's own replication when it does not say."""
    found = source.get("capture", "postgres") if isinstance(source, dict) else getattr(source, "capture", "")
    return str(found)


Source = Annotated[
    Annotated[PostgresSource, Tag("postgres")] | Annotated[KafkaSource, Tag("kafka")], Discriminator(_capture)
]


class ValueMap(ConfigModel):
    """code → code, applied to a view's output after the view. on_missing says what an unlisted code does:
    keep it, park the entity (mandatory), keep it but list it as a gap (if_possible), or make it null (clear)."""

    values: dict[str, str]
    on_missing: Literal["keep", "mandatory", "if_possible", "clear"] = "mandatory"


class MappingConfig(ConfigModel):
    """One mapping file: a SQL view that yields one entity from one source.

    key: output names that are the entity key (columns of the root table's primary key). own_tables: tables whose own rows make
    the document (a change elsewhere never corrects a posted one). step_column: root-table column whose change is a step
    (`schema.table.column` is not needed; the root's column name). value_maps: output name → value map name.
    """

    entity: str
    source: str
    sql: Path
    key: tuple[str, ...]
    keep: Literal["latest", "every_change"] = "latest"
    own_tables: tuple[str, ...] = ()
    step_column: str | None = None
    value_maps: dict[str, str] = Field(default_factory=dict)
    consent_every_root: bool = False


class OwnershipRule(ConfigModel):
    """Who owns a field group of an object in a scope; no match means held for a person.

    scope: legal entity code or "*". owner: a source's name, a target's name, or "frozen". from_date/to_date (inclusive,
    exclusive) bound the business date. A rule for a named legal entity beats "*"; two rules that can both win are refused
    at load.
    """

    object: str
    group: str = "*"
    scope: str = "*"
    owner: str
    from_date: date | None = None
    to_date: date | None = None


class OwnershipConfig(ConfigModel):
    """groups: object → group → canonical fields (a field in no group belongs to group "default")."""

    version: str
    groups: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    rules: tuple[OwnershipRule, ...]


class ClientCredentials(ConfigModel):
    """OAuth2 client credentials grant."""

    kind: Literal["oauth2_client_credentials"] = "oauth2_client_credentials"
    token_url: str
    client_id: str
    client_secret: SecretRef
    scope: str | None = None


class TargetObject(ConfigModel):
    """How one object goes to a target. historical: what happens to posted documents of the first snapshot."""

    mode: Literal["live", "shadow"] = "live"
    historical: Literal["load", "skip"] = "load"


class Brake(ConfigModel):
    """A single cause that touches more existing records of an object than this is held for a person."""

    records: int = 5000
    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    minimum: int = 50  # shares of fewer records than this never brake


class TargetConfig(ConfigModel):
    """One cloud tenant."""

    profile: str
    base_url: str
    tenant: str
    auth: ClientCredentials
    objects: dict[str, TargetObject]
    brake: Brake = Brake()
    limits: Limits | None = None  # overrides the profile's
    legal_entities: dict[str, str] = Field(default_factory=dict)  # our code → the target's (dataAreaId)


class HttpConfig(ConfigModel):
    """Where /metrics, /livez and /readyz are served."""

    host: str = "127.0.0.1"
    port: int = 9464


class AgentConfig(ConfigModel):
    """Tuning of the daemon itself."""

    batch_rows: int = 8192
    slice_entities: int = 8192
    workers: int = 2
    lease_seconds: float = 30.0
    http: HttpConfig = HttpConfig()


class Config(ConfigModel):
    """The whole configuration, one version of it. A source is a PostgresSource or a KafkaSource: `capture:` says which."""

    store: StoreConfig
    sources: dict[str, Source]
    mappings: dict[str, MappingConfig]
    value_maps: dict[str, ValueMap] = Field(default_factory=dict)
    ownership: OwnershipConfig
    targets: dict[str, TargetConfig]
    agent: AgentConfig = AgentConfig()
