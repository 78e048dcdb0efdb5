"""What a connector has to capture: the tables that a source's mappings read, as its catalogue has them now."""

from __future__ import annotations

from contextlib import closing

from agent.capture.kafka.mariadb_catalogue import MariaDbCatalogue
from agent.capture.postgres.catalogue import all_tables
from agent.wiring.source import captured_tables
from cdc_config.models import Config, KafkaSource
from cdc_config.secrets import resolve


def mapped_tables(config: Config, source: str, settings: KafkaSource) -> tuple[tuple[str, str], ...]:
    """(schema, table) of each. Raises SourceUnavailable, SourceError, MappingError."""
    dsn = resolve(settings.dsn)
    if settings.database == "postgres":
        return captured_tables(config, source, all_tables(dsn))
    with closing(MariaDbCatalogue(dsn)) as catalogue:
        return captured_tables(config, source, catalogue.all_tables())
