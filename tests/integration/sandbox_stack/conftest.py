"""The native stack's fixtures."""

from tests.support.stack import (
    broker,
    connect_environment,
    connect_worker,
    connectors,
    mariadb,
    mariadb_server,
    new_mariadb_database,
    new_topic,
    stack_directory,
)

__all__ = [
    "broker", "connect_environment", "connect_worker", "connectors", "mariadb", "mariadb_server", "new_mariadb_database",
    "new_topic", "stack_directory",
]  # fmt: skip
