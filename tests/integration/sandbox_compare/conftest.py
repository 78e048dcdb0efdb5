"""A MariaDB for the tests that compare the PSA side."""

from tests.support.stack import mariadb, mariadb_server, new_mariadb_database, stack_directory

__all__ = ["mariadb", "mariadb_server", "new_mariadb_database", "stack_directory"]
