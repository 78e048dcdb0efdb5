"""One MariaDB for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mariadb_server import MariaDbServer, mariadb_server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDbServer]:
    """A real server for this test process."""
    with mariadb_server() as server:
        yield server
